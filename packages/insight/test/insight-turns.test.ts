/** Turns of the insight worker on rows alone: how many jobs it queues, and when searches switch to new vectors. */
import type { CreationRequest } from '@cl-server/job-routes';
import type { RegisteredWorker } from '@cl-server/jobs';
import { type Database, migrate, openDatabase, silentLogger } from '@cl-server/service-kit';
import { entityFeed, type StoreTables, storeMigrations, writeTransactions } from '@cl-server/store';
import { discoverTasks, type TaskRegistry } from '@cl-server/task-kit';
import { backends, type TestDatabase } from '@cl-server/testing';
import { sql } from 'kysely';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { builtInInsights } from '../src/built-in/index.js';
import { refreshKnown } from '../src/inferences/refresh-status.js';
import type { RunWrite } from '../src/port.js';
import { InsightRegistry } from '../src/registry.js';
import { putVector } from '../src/vectors/vector-store.js';
import type { ResultCollector } from '../src/worker/collect-results.js';
import { Dispatcher } from '../src/worker/dispatch.js';
import { InsightWorker } from '../src/worker/insight-worker.js';
import { park } from '../src/worker/park.js';
import { runnableBy } from '../src/worker/runnable.js';
import type { StatusPublisher } from '../src/worker/status-publisher.js';

const insights = new InsightRegistry(builtInInsights);
/** No test reads a file. */
const noFiles = { localFile: async (key: string) => key };
const TASKS = ['hash', 'face_detection', 'clip_embedding', 'dino_embedding'];

describe.each(backends())('turns of the insight worker on $name', (backend) => {
  let place: TestDatabase;
  let database: Database<StoreTables>;
  let write: RunWrite;
  let tasks: TaskRegistry;
  beforeAll(async () => {
    tasks = await discoverTasks({});
  });
  beforeEach(async () => {
    place = await backend.create();
    database = openDatabase<StoreTables>(place.url, { schema: 'store', synchronous: 'normal' });
    await migrate(database, storeMigrations);
    write = writeTransactions(database, () => 5);
  });
  afterEach(async () => {
    await database.close();
    await place.drop();
  });

  /** Pictures 1 to `count`, each with all its inferences in one state, made with the model `new`. */
  const seed = async (count: number, status: 'pending' | 'completed'): Promise<void> => {
    const numbers = sql`with recursive n (i) as (select 1 union all select i + 1 from n where i < ${sql.lit(count)})`;
    const name = sql`'f' || i`;
    for (const statement of [
      sql`insert into files (sha256, path, added_at, tags_status) ${numbers} select ${name}, ${name}, 1, 'complete' from n`,
      sql`insert into entities (is_collection, sha256, type, added_date, updated_date, version)
        ${numbers} select 0, ${name}, 'image', 1, 1, 1 from n`,
      sql`insert into insights (entity_id, sha256, entity_version, status, updated_at)
        select id, sha256, 1, 'completed', 1 from entities`,
    ])
      await statement.execute(database.kysely);
    for (const task of TASKS)
      await sql`insert into inferences (entity_id, task_type, subject, status, model, tries, not_before)
        select id, ${task}, '', ${status}, ${task === 'dino_embedding' ? 'new' : ''}, 0, 0 from entities`.execute(
        database.kysely,
      );
  };

  it('create no job that no worker can run: inferences without a model wait until a worker has it', async () => {
    await seed(3, 'pending');
    const statuses = async () => {
      const rows = await database.kysely
        .selectFrom('inferences')
        .select(['task_type', 'status', 'error_code'])
        .distinct()
        .orderBy('task_type')
        .execute();
      return rows.map(({ task_type, status, error_code }) => [task_type, status, error_code].filter(Boolean).join(' '));
    };
    const overall = async () =>
      (await database.kysely.selectFrom('insights').select('status').distinct().execute()).map(({ status }) => status);
    const worker = (capabilities: string[], unavailable: RegisteredWorker['unavailable'] = {}): RegisteredWorker => ({
      worker_id: 'w',
      capabilities,
      unavailable,
      idle_count: 1,
      seen_at: 0,
    });
    const lacking = worker(['hash', 'face_detection'], {
      clip_embedding: { code: 'model_missing', reason: 'no file' },
      dino_embedding: { code: 'tool_missing', reason: 'no program' },
    });
    const parked = await park(database.kysely, write, runnableBy([lacking], insights));
    expect([...new Set(parked)].sort()).toEqual([1, 2, 3]);
    expect(await statuses()).toEqual([
      'clip_embedding waiting',
      'dino_embedding failed tool_missing',
      'face_detection pending',
      'hash pending',
    ]);
    expect(await park(database.kysely, write, runnableBy([lacking], insights))).toEqual([]);
    await database.kysely
      .updateTable('inferences')
      .set({ status: 'completed' })
      .where('task_type', '<>', 'clip_embedding')
      .execute();
    await write(null, async ({ db, now }) => {
      for (const id of [1, 2, 3]) await refreshKnown(db, id, now);
    });
    expect(await overall()).toEqual(['completed']);
    // A second worker has the model, so it does not matter that the first one lacks it.
    await park(database.kysely, write, runnableBy([lacking, worker(['clip_embedding'])], insights));
    expect((await statuses())[0]).toBe('clip_embedding pending');
    expect(await overall()).toEqual(['processing']);
  });

  it('limit the jobs that are queued or running, at a lower priority than the jobs of users', async () => {
    await seed(5, 'pending');
    const made: CreationRequest[] = [];
    const file = async () => ({ name: 'a.png', size: 1, source: Buffer.from('a') });
    const able = new Set(['hash', 'face_detection', 'clip_embedding', 'dino_embedding']);
    const dispatcher = new Dispatcher({
      db: database.kysely,
      write,
      feed: entityFeed(database, noFiles),
      insights,
      creation: { create: async (request) => ({ job_id: `job-${made.push(request)}` }) as never },
      task: (type) => tasks.get(type),
      inputs: { file, frame: file, face: file },
      logger: silentLogger(),
      maxRunning: 8,
    });
    await dispatcher.dispatch(10, able);
    expect(made).toHaveLength(8);
    expect(await dispatcher.dispatch(10, able)).toEqual([]);
    await database.kysely
      .updateTable('inferences')
      .set({ status: 'completed' })
      .where('job_id', 'in', ['job-1', 'job-2'])
      .execute();
    await dispatcher.dispatch(10, able);
    expect(made).toHaveLength(10);
    expect(Math.max(...made.map(({ priority }) => priority ?? 5))).toBeLessThan(5);
    expect(new Set(made.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(10);
  });

  it('switch searches to new vectors only when every picture of a long pass has one', async () => {
    const db = database.kysely;
    await seed(1_001, 'completed');
    const last = { kind: 'dino', entityId: 1_001, subject: 0 } as const;
    await db.transaction().execute(async (trx) => {
      await putVector(trx, { ...last, entityId: 1, model: 'new' }, Float32Array.of(1, 0));
      await putVector(trx, { ...last, model: 'old' }, Float32Array.of(0, 1));
    });
    await db.insertInto('vector_models').values({ kind: 'dino', model: 'old', dimension: 2, updated_at: 1 }).execute();
    const ofLast = (values: object) =>
      db
        .updateTable('inferences')
        .set(values)
        .where('entity_id', '=', 1_001)
        .where('task_type', '=', 'dino_embedding')
        .execute();
    await ofLast({ model: 'old' });
    const worker = new InsightWorker({
      db,
      write,
      feed: entityFeed(database, noFiles),
      insights,
      media: undefined as never,
      dispatcher: { dispatch: async () => [] } as unknown as Dispatcher,
      collector: { collect: async () => [] } as unknown as ResultCollector,
      publisher: {
        entities: async () => undefined,
        clearOld: async () => undefined,
        status: async () => undefined,
      } as unknown as StatusPublisher,
      derive: async () => undefined,
      sweep: async () => undefined,
      folderMismatch: async () => undefined,
      readModels: async () => ({ of: (task) => (task === 'dino_embedding' ? 'new' : ''), signature: 'new' }),
      workers: { live: async () => [] },
      logger: silentLogger(),
      now: () => 5,
    });
    const answering = async () => (await db.selectFrom('vector_models').select('model').executeTakeFirst())?.model;
    expect([await worker.turn(), await answering()]).toEqual([true, 'old']);
    expect([await worker.turn(), await answering()]).toEqual([false, 'old']);
    await ofLast({ status: 'completed' });
    await worker.turn();
    expect(await answering()).toBe('new');
  });
});
