/**
 * Compares what each entity has with what it should have, and notes what is missing as pending inferences. Everything is
 * derived from rows: an event that was lost, a process that was killed, a cursor that was never written cost only time.
 */
import type { Kysely, Transaction } from 'kysely';
import type { InferenceRow, InsightRow } from '../database/insight-tables.js';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import { forgetEntity } from './forget.js';
import { refreshStatus } from './refresh-status.js';
import { UNDERSTOOD_TYPES, wantedOf } from './wanted.js';
import type { WantedModels } from './wanted-models.js';

interface Candidate {
  readonly id: number;
  readonly type: string | null;
  readonly sha256: string | null;
  readonly version: number;
}

export interface Discovery {
  /** Entities whose rows were changed. */
  readonly changed: readonly number[];
  /** Crops of faces that are gone, relative to the media folder. */
  readonly freedFiles: readonly string[];
}

const NOTHING: Discovery = { changed: [], freedFiles: [] };

type Key = `${string}/${string}`;
const keyOf = ({ task_type, subject }: Pick<InferenceRow, 'task_type' | 'subject'>): Key => `${task_type}/${subject}`;

interface Known {
  readonly insights: ReadonlyMap<number, InsightRow>;
  readonly inferences: ReadonlyMap<number, readonly InferenceRow[]>;
}

async function knownOf(db: Kysely<StoreTables> | Transaction<StoreTables>, ids: readonly number[]): Promise<Known> {
  const insights = await db
    .selectFrom('insights')
    .selectAll()
    .where('entity_id', 'in', [...ids])
    .execute();
  const rows = await db
    .selectFrom('inferences')
    .selectAll()
    .where('entity_id', 'in', [...ids])
    .execute();
  const inferences = new Map<number, InferenceRow[]>();
  for (const row of rows) inferences.set(row.entity_id, [...(inferences.get(row.entity_id) ?? []), row]);
  return { insights: new Map(insights.map((row) => [row.entity_id, row])), inferences };
}

interface Plan {
  readonly entity: Candidate & { readonly sha256: string };
  /** Another content than the one that was understood: everything anew. */
  readonly anew: boolean;
  readonly missing: readonly { readonly task_type: string; readonly subject: string }[];
  /** Made with another model than the wanted one. */
  readonly outdated: readonly InferenceRow[];
}

function planFor(entity: Candidate, known: Known, models: WantedModels): Plan | undefined {
  const { sha256 } = entity;
  if (sha256 === null) return undefined;
  const insight = known.insights.get(entity.id);
  const anew = insight !== undefined && insight.sha256 !== sha256;
  const rows = anew ? [] : (known.inferences.get(entity.id) ?? []);
  const have = new Set(rows.map(keyOf));
  const missing = wantedOf(entity.type).filter((wanted) => !have.has(keyOf(wanted)));
  const outdated = rows.filter((row) => row.status !== 'processing' && row.model !== models.of(row.task_type));
  if (insight && !anew && missing.length === 0 && outdated.length === 0) return undefined;
  return { entity: { ...entity, sha256 }, anew, missing, outdated };
}

async function apply(
  db: Transaction<StoreTables>,
  { entity, anew, missing, outdated }: Plan,
  { models, withoutModel = NONE }: Pick<DiscoverOptions, 'models' | 'withoutModel'>,
  now: number,
): Promise<string[]> {
  const freed = anew ? await forgetEntity(db, entity.id, now) : [];
  if (missing.length > 0)
    await db
      .insertInto('inferences')
      .values(
        missing.map((wanted) => ({
          ...wanted,
          entity_id: entity.id,
          status: withoutModel.has(wanted.task_type) ? ('waiting' as const) : ('pending' as const),
          model: models.of(wanted.task_type),
          tries: 0,
          not_before: now,
        })),
      )
      .execute();
  for (const row of outdated)
    await db
      .updateTable('inferences')
      .set({
        status: withoutModel.has(row.task_type) ? 'waiting' : 'pending',
        model: models.of(row.task_type),
        not_before: now,
        tries: 0,
        error_code: null,
        error_message: null,
      })
      .where('entity_id', '=', row.entity_id)
      .where('task_type', '=', row.task_type)
      .where('subject', '=', row.subject)
      .execute();
  await refreshStatus(db, { entityId: entity.id, sha256: entity.sha256, version: entity.version, now });
  return freed;
}

export interface DiscoverOptions {
  readonly db: Kysely<StoreTables>;
  readonly write: RunWrite;
  readonly models: WantedModels;
  /** Tasks whose model is missing: what is wanted of them waits. */
  readonly withoutModel?: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

/** Entities changed in one transaction: its length stays under 50 ms. */
const AT_ONCE = 50;

async function settle(options: DiscoverOptions, entities: readonly Candidate[]): Promise<Discovery> {
  if (entities.length === 0) return NOTHING;
  const { db, write, models } = options;
  const known = await knownOf(
    db,
    entities.map(({ id }) => id),
  );
  const concerned = entities.filter((entity) => planFor(entity, known, models) !== undefined);
  const changed: number[] = [];
  const freedFiles: string[] = [];
  for (let from = 0; from < concerned.length; from += AT_ONCE) {
    const slice = concerned.slice(from, from + AT_ONCE).map(({ id }) => id);
    await write(null, async ({ db: trx, now }) => {
      // Looked at again within the transaction: the entity may have changed, or gone, since.
      const current = await candidates(trx).where('id', 'in', slice).execute();
      const fresh = await knownOf(trx, slice);
      for (const entity of current) {
        const planned = planFor(entity, fresh, models);
        if (!planned) continue;
        freedFiles.push(...(await apply(trx, planned, options, now)));
        changed.push(entity.id);
      }
    });
  }
  return { changed, freedFiles };
}

const candidates = (db: Kysely<StoreTables> | Transaction<StoreTables>) =>
  db
    .selectFrom('entities')
    .select(['id', 'type', 'sha256', 'version'])
    .where('type', 'in', [...UNDERSTOOD_TYPES])
    .where('is_deleted', '=', 0)
    .where('is_collection', '=', 0);

export interface ChangesSince extends Discovery {
  /** Last transaction that was looked at. */
  readonly transaction: number;
}

/** Entities changed after a transaction. */
export async function discoverChanges(options: DiscoverOptions, since: number): Promise<ChangesSince> {
  const rows = await options.db
    .selectFrom('entity_versions')
    .select(['transaction_id', 'entity_id'])
    .where('transaction_id', '>', since)
    .orderBy('transaction_id')
    .limit(1_000)
    .execute();
  const last = rows.at(-1);
  if (!last) return { ...NOTHING, transaction: since };
  const ids = [...new Set(rows.map(({ entity_id }) => entity_id))];
  const entities = await candidates(options.db).where('id', 'in', ids).execute();
  return { ...(await settle(options, entities)), transaction: last.transaction_id };
}

/** One page of a pass over all entities. @returns the id to go on after; undefined at the end */
export async function discoverPage(
  options: DiscoverOptions,
  afterId: number,
  size = 1_000,
): Promise<Discovery & { readonly next: number | undefined }> {
  const entities = await candidates(options.db).where('id', '>', afterId).orderBy('id').limit(size).execute();
  const discovery = await settle(options, entities);
  return { ...discovery, next: entities.length < size ? undefined : entities.at(-1)?.id };
}
