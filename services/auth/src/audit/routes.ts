import { listAudit } from '@cl-server/contract';
import { cursorCodec } from '@cl-server/kit';
import { type App, invalidField } from '@cl-server/service-kit';
import type { AuditLog } from './audit-log.js';

const cursors = cursorCodec('a');

/** Decodes a cursor into the id of the last entry of the previous page. */
function lastEntryId(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const id = cursors.decode(cursor);
  if (id === undefined)
    throw invalidField('query', 'cursor', 'Value error, invalid cursor: omit it to start from the first page', cursor);
  return id;
}

export function serveAudit(app: App, audit: AuditLog): void {
  app.handle(listAudit, async ({ query: { cursor, ...filter } }) => {
    const { items, total, more } = await audit.page({ ...filter, before: lastEntryId(cursor) });
    const last = items.at(-1);
    return { items, next_cursor: more && last ? cursors.encode(last.id) : null, total };
  });
}
