/**
 * Planning: compares the insights that each entity has with those that it should have, and inserts the missing ones as pending
 * inferences. Everything is derived from rows, so a lost event, a killed process or an unsaved cursor costs only time.
 */
import type { Kysely, Transaction } from 'kysely';
import type { InferenceRow, InsightRow } from '../database/insight-tables.js';
import type { StoreTables } from '../database/tables.js';
import type { RunWrite } from '../database/transaction.js';
import { noteErasures } from '../erase/note.js';
import { deleteInsights } from './delete-insights.js';
import { refreshStatus } from './refresh-status.js';
import type { InsightRegistry, PlannedSubject } from './registry.js';
import type { WantedModels } from './wanted-models.js';

interface Candidate {
  readonly id: number;
  readonly type: string | null;
  readonly sha256: string | null;
  readonly version: number;
}

export interface PlanResult {
  /** Entities whose rows were changed. */
  readonly changed: readonly number[];
  /** Crops of deleted faces, relative to the media folder. */
  readonly freedFiles: readonly string[];
}

const NOTHING: PlanResult = { changed: [], freedFiles: [] };

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
  /** The content was replaced: all insights are made again. */
  readonly isReplaced: boolean;
  readonly missing: readonly PlannedSubject[];
  /** Made with another model than the wanted one. */
  readonly outdated: readonly InferenceRow[];
  /** Unfinished, and of an insight that is no longer installed: they would never end. */
  readonly obsolete: readonly InferenceRow[];
}

function planFor(
  entity: Candidate,
  known: Known,
  { insights, models }: Pick<PlanOptions, 'insights' | 'models'>,
): Plan | undefined {
  const { sha256 } = entity;
  if (sha256 === null) return undefined;
  const insight = known.insights.get(entity.id);
  const isReplaced = insight !== undefined && insight.sha256 !== sha256;
  const all = isReplaced ? [] : (known.inferences.get(entity.id) ?? []);
  const rows = all.filter(({ task_type }) => insights.get(task_type));
  const obsolete = all.filter((row) => row.status !== 'completed' && !rows.includes(row));
  const have = new Set(rows.map(keyOf));
  const missing = insights.plannedFor(entity.type).filter((planned) => !have.has(keyOf(planned)));
  const outdated = rows.filter((row) => row.status !== 'processing' && row.model !== models.of(row.task_type));
  if (insight && !isReplaced && missing.length + outdated.length + obsolete.length === 0) return undefined;
  return { entity: { ...entity, sha256 }, isReplaced, missing, outdated, obsolete };
}

async function apply(
  db: Transaction<StoreTables>,
  { entity, isReplaced, missing, outdated, obsolete }: Plan,
  { models, withoutModel = NONE }: Pick<PlanOptions, 'models' | 'withoutModel'>,
  now: number,
): Promise<string[]> {
  const freed = isReplaced ? await deleteInsights(db, entity.id, now) : [];
  await noteErasures(
    db,
    'job',
    obsolete.flatMap(({ job_id }) => job_id ?? []),
    now,
  );
  for (const row of obsolete)
    await db
      .deleteFrom('inferences')
      .where('entity_id', '=', row.entity_id)
      .where('task_type', '=', row.task_type)
      .where('subject', '=', row.subject)
      .execute();
  if (missing.length > 0)
    await db
      .insertInto('inferences')
      .values(
        missing.map((planned) => ({
          ...planned,
          entity_id: entity.id,
          status: withoutModel.has(planned.task_type) ? ('waiting' as const) : ('pending' as const),
          model: models.of(planned.task_type),
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

export interface PlanOptions {
  readonly db: Kysely<StoreTables>;
  readonly write: RunWrite;
  readonly insights: InsightRegistry;
  readonly models: WantedModels;
  /** Insights whose model is missing: their inferences wait. */
  readonly withoutModel?: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

/** Entities changed in one transaction: its length stays under 50 ms. */
const BATCH_SIZE = 50;
/** Rows read at once. */
const PAGE_SIZE = 1_000;

async function planEntities(options: PlanOptions, entities: readonly Candidate[]): Promise<PlanResult> {
  if (entities.length === 0) return NOTHING;
  const { db, write, insights } = options;
  const known = await knownOf(
    db,
    entities.map(({ id }) => id),
  );
  const concerned = entities.filter((entity) => planFor(entity, known, options) !== undefined);
  const changed: number[] = [];
  const freedFiles: string[] = [];
  for (let from = 0; from < concerned.length; from += BATCH_SIZE) {
    const slice = concerned.slice(from, from + BATCH_SIZE).map(({ id }) => id);
    await write(null, async ({ db: trx, now }) => {
      // Read again within the transaction: the entity may have been changed or removed since.
      const current = await candidates(trx, insights).where('id', 'in', slice).execute();
      const fresh = await knownOf(trx, slice);
      for (const entity of current) {
        const planned = planFor(entity, fresh, options);
        if (!planned) continue;
        freedFiles.push(...(await apply(trx, planned, options, now)));
        changed.push(entity.id);
      }
    });
  }
  return { changed, freedFiles };
}

const candidates = (db: Kysely<StoreTables> | Transaction<StoreTables>, { types }: InsightRegistry) =>
  db
    .selectFrom('entities')
    .select(['id', 'type', 'sha256', 'version'])
    .where('type', 'in', [...types])
    .where('is_deleted', '=', 0)
    .where('is_collection', '=', 0);

export interface ChangesSince extends PlanResult {
  /** Last transaction that was read. */
  readonly transaction: number;
}

/** Plans for the entities that were changed after a transaction. */
export async function planChanges(options: PlanOptions, since: number): Promise<ChangesSince> {
  const rows = await options.db
    .selectFrom('entity_versions')
    .select(['transaction_id', 'entity_id'])
    .where('transaction_id', '>', since)
    .orderBy('transaction_id')
    .limit(PAGE_SIZE)
    .execute();
  const last = rows.at(-1);
  if (!last) return { ...NOTHING, transaction: since };
  const ids = [...new Set(rows.map(({ entity_id }) => entity_id))];
  const entities = await candidates(options.db, options.insights).where('id', 'in', ids).execute();
  return { ...(await planEntities(options, entities)), transaction: last.transaction_id };
}

/** Plans one page of a pass over all entities. `next` is the id to continue after, undefined at the end. */
export async function planPage(
  options: PlanOptions,
  afterId: number,
  size = PAGE_SIZE,
): Promise<PlanResult & { readonly next: number | undefined }> {
  const entities = await candidates(options.db, options.insights)
    .where('id', '>', afterId)
    .orderBy('id')
    .limit(size)
    .execute();
  const discovery = await planEntities(options, entities);
  return { ...discovery, next: entities.length < size ? undefined : entities.at(-1)?.id };
}
