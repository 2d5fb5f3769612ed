/**
 * Planning: compares the insights that each entity has with those that it should have, and inserts the missing ones as pending
 * inferences. Everything is derived from rows, so a lost event, a killed process or an unsaved cursor costs only time.
 */

import type { InferenceRow, InsightRow } from '../database/tables.js';
import { deleteInsights } from '../inferences/delete-insights.js';
import { refreshStatus } from '../inferences/refresh-status.js';
import type { EntityFeed, FeedEntity, InsightDatabase, InsightTransaction, RunWrite } from '../port.js';
import type { InsightRegistry, PlannedSubject } from '../registry.js';
import type { WantedModels } from './wanted-models.js';

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

async function knownOf(db: InsightDatabase | InsightTransaction, ids: readonly number[]): Promise<Known> {
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
  readonly entity: FeedEntity & { readonly sha256: string };
  /** The content was replaced: all insights are made again. */
  readonly isReplaced: boolean;
  readonly missing: readonly PlannedSubject[];
  /** Made with another model than the wanted one. */
  readonly outdated: readonly InferenceRow[];
  /** Unfinished, and of an insight that is no longer installed: they would never end. */
  readonly obsolete: readonly InferenceRow[];
}

function planFor(
  entity: FeedEntity,
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
  db: InsightTransaction,
  { entity, isReplaced, missing, outdated, obsolete }: Plan,
  { feed, models, withoutModel = NONE }: Pick<PlanOptions, 'feed' | 'models' | 'withoutModel'>,
  now: number,
): Promise<string[]> {
  const freed = isReplaced ? await deleteInsights({ db, feed, now }, entity.id) : [];
  const jobs = obsolete.flatMap(({ job_id }) => job_id ?? []);
  await feed.eraseJobs(db, jobs, now);
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
  readonly db: InsightDatabase;
  readonly write: RunWrite;
  readonly feed: EntityFeed;
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

/** Entities that have insights. */
const planned = (entities: readonly FeedEntity[], { types }: InsightRegistry): FeedEntity[] =>
  entities.filter(({ isAlive, type }) => isAlive && type !== null && types.includes(type));

async function planEntities(options: PlanOptions, entities: readonly FeedEntity[]): Promise<PlanResult> {
  if (entities.length === 0) return NOTHING;
  const { db, write, feed, insights } = options;
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
      const current = planned(await feed.find(slice, trx), insights);
      const fresh = await knownOf(trx, slice);
      for (const entity of current) {
        const plan = planFor(entity, fresh, options);
        if (!plan) continue;
        freedFiles.push(...(await apply(trx, plan, options, now)));
        changed.push(entity.id);
      }
    });
  }
  return { changed, freedFiles };
}

export interface ChangesSince extends PlanResult {
  /** Last transaction that was read. */
  readonly transaction: number;
}

/** Plans for the entities that were changed after a transaction. */
export async function planChanges(options: PlanOptions, since: number): Promise<ChangesSince> {
  const { feed, insights } = options;
  const { ids, last } = await feed.changedSince(since, PAGE_SIZE);
  if (ids.length === 0) return { ...NOTHING, transaction: since };
  const entities = planned(await feed.find(ids), insights);
  return { ...(await planEntities(options, entities)), transaction: last };
}

/** Plans one page of a pass over all entities. `next` is the id to continue after, undefined at the end. */
export async function planPage(
  options: PlanOptions,
  afterId: number,
  size = PAGE_SIZE,
): Promise<PlanResult & { readonly next: number | undefined }> {
  const entities = await options.feed.page(options.insights.types, afterId, size);
  return {
    ...(await planEntities(options, entities)),
    next: entities.length < size ? undefined : entities.at(-1)?.id,
  };
}
