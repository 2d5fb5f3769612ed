/** An insight that no part of the platform knows: one descriptor and one registration are enough. */
import fs from 'node:fs';
import path from 'node:path';
import type {
  AuditReport,
  CleanupReport,
  EntityList,
  InsightResult,
  Intelligence,
  SearchResults,
  SimilarEntities,
} from '@cl-server/contract';
import { sharp } from '@cl-server/media';
import { decodeNpy } from '@cl-server/models';
import { openDatabase } from '@cl-server/service-kit';
import { backends, eventually, projectRoot } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StoreTables } from '../src/index.js';
import { InsightPlatform, isBuilt } from './support/insight.js';
import { ADMIN } from './support/tokens.js';

/** The stand-in task: the mean colour of a picture. */
const TASK = `
import { createRequire } from 'node:module';
export default ({ defineTask, z }) => defineTask({
  type: 'mean_colour', version: '1.0.0', summary: 'The mean colour of a picture',
  params: z.object({}), output: z.object({ rgb: z.array(z.number()).length(3) }),
  load: async () => ({
    run: async ({ files }) => {
      const sharp = createRequire(${JSON.stringify(path.join(projectRoot, 'package.json'))})('sharp');
      const { channels } = await sharp(files.input).stats();
      return { rgb: channels.slice(0, 3).map(({ mean }) => Math.round(mean)) };
    },
  }),
});`;

/** The one descriptor. */
const INSIGHT = `
export default ({ defineInsight, wholeFile }) => defineInsight({
  name: 'dominant_colour', task: 'mean_colour', version: '1', appliesTo: { image: wholeFile },
  collect: async ({ output }) => ({
    value: { rgb: output.rgb },
    vector: Float32Array.from(output.rgb, (channel) => channel - 127.5),
  }),
  vector: { kind: 'colour', title: 'Colour' },
});`;

/** The one registration. */
const MANIFEST = {
  name: 'colours',
  version: '1.0.0',
  type: 'module',
  clServer: { tasks: { mean_colour: './task.js' }, insights: { dominant_colour: './insight.js' } },
};

function writePlugin(pluginsDir: string): void {
  const folder = path.join(pluginsDir, 'colours');
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(MANIFEST));
  fs.writeFileSync(path.join(folder, 'task.js'), TASK);
  fs.writeFileSync(path.join(folder, 'insight.js'), INSIGHT);
  // A plugin that uses the name of a built-in insight disables only itself.
  fs.writeFileSync(
    path.join(pluginsDir, 'thief.mjs'),
    `export const insight = ({ defineInsight, wholeFile }) =>
      defineInsight({ name: 'hash', task: 'hash', appliesTo: { image: wholeFile } });`,
  );
}

const picture = (background: { r: number; g: number; b: number }): Promise<Buffer> =>
  sharp({ create: { width: 60, height: 40, channels: 3, background } })
    .png()
    .toBuffer();

describe.runIf(isBuilt).each(backends())('an insight of a plugin on $name', (backend) => {
  let platform: InsightPlatform;
  let ids: Record<'red' | 'darkRed' | 'blue', number>;
  beforeAll(async () => {
    // There are no models: all insights that need one wait, and delay no others.
    platform = await InsightPlatform.start(backend, { models: () => undefined, plugins: writePlugin });
    const add = async (name: string, bytes: Buffer): Promise<number> =>
      (await platform.store.upload(bytes, name, { label: name })).json.id;
    ids = {
      red: await add('red.png', await picture({ r: 250, g: 10, b: 10 })),
      darkRed: await add('dark red.png', await picture({ r: 200, g: 20, b: 30 })),
      blue: await add('blue.png', await picture({ r: 10, g: 20, b: 240 })),
    };
    for (const id of Object.values(ids))
      await eventually(
        async () => (await platform.intelligence(id))?.inference_status['dominant_colour'] === 'completed',
        { within: 60_000, every: 100, what: `the dominant colour of entity ${id}` },
      );
  });
  afterAll(() => platform?.stop());

  it('is planned, run and shown beside the built-in ones, and its job carries the name of the task', async () => {
    const state = (await platform.intelligence(ids.red)) as Intelligence;
    expect(state.inference_status).toMatchObject({ dominant_colour: 'completed', media_thumbnail: 'not_applicable' });
    expect([...state.active_jobs, ...state.job_history].map(({ task_type }) => task_type)).toContain('mean_colour');
  });

  it('has its value and its vector in the API', async () => {
    const { json } = await platform.store.get<InsightResult[]>(`/intelligence/entities/${ids.red}/results`);
    expect(json).toMatchObject([{ insight: 'dominant_colour', subject: '', value: { rgb: [250, 10, 10] } }]);
    const { bytes, status } = await platform.store.get(`/intelligence/entities/${ids.red}/vectors/colour`);
    expect([status, decodeNpy(bytes).length]).toEqual([200, 3]);
    expect((await platform.store.get(`/intelligence/entities/${ids.red}/vectors/taste`)).status).toBe(404);
  });

  it('finds entities and pictures by its vector, and an unknown name is refused with a list of the known ones', async () => {
    const similar = await platform.store.get<SimilarEntities>(`/intelligence/entities/${ids.red}/similar?by=colour`);
    expect(similar.json.results.map(({ entity_id }) => entity_id)).toEqual([ids.darkRed, ids.blue]);
    const form = { by: 'colour', file: { name: 'q.png', bytes: await picture({ r: 0, g: 0, b: 255 }) } };
    const found = await platform.store.call<SearchResults>('POST', '/intelligence/search', { form });
    expect(found.json.results[0]?.entity_id).toBe(ids.blue);
    const refused = await platform.store.get(`/intelligence/entities/${ids.red}/similar?by=taste`);
    expect([refused.status, refused.text]).toEqual([422, expect.stringContaining("'colour'")]);
  });

  it('is deleted with its entity; after the plugin is removed, its vectors are deleted and none of its inferences waits', async () => {
    const database = openDatabase<StoreTables>(platform.store.databaseUrl, { schema: 'store', synchronous: 'normal' });
    const db = database.kysely;
    const rowsOf = async (id: number) => {
      const results = await db.selectFrom('insight_results').select('entity_id').where('entity_id', '=', id).execute();
      const vectors = await db.selectFrom('vectors').select('id').where('entity_id', '=', id).execute();
      return [results.length, vectors.length];
    };
    try {
      expect(await rowsOf(ids.blue)).toEqual([1, 1]);
      await platform.store.patch(ids.blue, { is_deleted: 'true' });
      await platform.store.remove(ids.blue);
      expect(await rowsOf(ids.blue)).toEqual([0, 0]);

      await platform.removePlugins();
      await db.updateTable('inferences').set({ status: 'failed' }).where('task_type', '=', 'dominant_colour').execute();
      await platform.kill('insight');
      await platform.run('insight');
      await eventually(
        async () =>
          (await db.selectFrom('inferences').select('entity_id').where('task_type', '=', 'dominant_colour').execute())
            .length === 0,
        { within: 30_000, every: 100, what: 'the removal of inferences without an insight' },
      );
      const audit = await platform.store.get<AuditReport>('/system/audit', { token: ADMIN });
      expect(audit.json.orphaned_vectors.map(({ collection_name }) => collection_name)).toEqual([
        'colour_embeddings',
        'colour_embeddings',
      ]);
      const cleared = await platform.store.call<CleanupReport>('POST', '/system/clear-orphans', { token: ADMIN });
      expect(cleared.json.vectors_deleted).toBe(2);
      const { json } = await platform.store.get<EntityList>('/entities');
      expect(json.items).toHaveLength(2);
    } finally {
      await database.close();
    }
  });
});
