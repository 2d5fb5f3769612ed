import { listAudit } from '@cl-server/contract';
import { type App, invalidField } from '@cl-server/runtime';
import type { AuditLog } from './audit-log.js';

/** A cursor is the id of the last entry shown. */
function idOf(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const id = Number(cursor);
  if (!/^\d+$/.test(cursor) || !Number.isSafeInteger(id))
    throw invalidField('query', 'cursor', 'Value error, take the cursor from next_cursor of the page before', cursor);
  return id;
}

export function serveAudit(app: App, audit: AuditLog): void {
  app.handle(listAudit, async ({ query: { cursor, ...filter } }) => {
    const { items, total, more } = await audit.page({ ...filter, before: idOf(cursor) });
    return { items, next_cursor: more ? String(items.at(-1)?.id) : null, total };
  });
}
