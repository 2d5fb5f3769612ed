/** Models that are installed later, and models that change: the inferences follow them. */
import fs from 'node:fs';
import path from 'node:path';
import {
  type EntityStatusEvent,
  entityStatusEvent,
  type InsightStatus,
  insightStatus,
  PORTS,
  type SimilarEntities,
  TOPICS,
} from '@cl-server/contract';
import { sharp } from '@cl-server/media';
import { ModelStore } from '@cl-server/models';
import { connectBroadcaster, silentLogger } from '@cl-server/service-kit';
import {
  backends,
  eventually,
  hasMedia,
  hasModels,
  hasMosquitto,
  installStandIns,
  makeStandIn,
  mediaFile,
  modelFile,
  startMosquitto,
  type TestBroker,
} from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InsightPlatform, isBuilt } from './support/insight.js';
import { ADMIN } from './support/tokens.js';

const [sqlite] = backends();
const canRun = isBuilt && hasModels() && hasMosquitto();

describe.runIf(canRun)('models of the insight worker', () => {
  let broker: TestBroker;
  let platform: InsightPlatform;
  const picture = (hue: number): Promise<Buffer> =>
    sharp({ create: { width: 240, height: 180, channels: 3, background: { r: hue, g: 255 - hue, b: 90 } } })
      .png()
      .toBuffer();
  const ids: number[] = [];

  beforeAll(async () => {
    broker = await startMosquitto();
    platform = await InsightPlatform.start(sqlite as NonNullable<typeof sqlite>, {
      mqttUrl: broker.url,
      models: (dir) => {
        installStandIns(dir, ['clip_image', 'face_embedding']);
        fs.copyFileSync(
          modelFile('face_detection_yunet_2026may.onnx'),
          path.join(dir, 'face_detection_yunet_2026may.onnx'),
        );
      },
    });
    for (const hue of [10, 20, 240])
      ids.push((await platform.store.upload(await picture(hue), `${hue}.png`, { label: `${hue}` })).json.id);
  });
  afterAll(async () => {
    await platform?.stop();
    await broker?.stop();
  });

  it('lets inferences wait for a missing model without a job or a delay for others, and runs them when a worker has it', async () => {
    for (const id of ids) {
      const state = await platform.settled(id);
      expect(state).toMatchObject({ overall_status: 'completed', error_message: null });
      expect(state.notice).toBe(
        'dino_embedding waits for its model: an admin fetches missing models with "cl-server models pull"',
      );
      expect(state.inference_status).toMatchObject({
        clip_embedding: 'completed',
        dino_embedding: 'waiting_for_model',
      });
      expect([...state.active_jobs, ...state.job_history].map(({ task_type }) => task_type)).not.toContain(
        'dino_embedding',
      );
      const similar = await platform.store.get<SimilarEntities>(`/intelligence/entities/${id}/similar?by=dino`);
      expect(similar.json).toMatchObject({ results: [], notice: expect.stringContaining('Nothing was looked for') });
      const compared = await platform.store.get<SimilarEntities>(`/intelligence/entities/${id}/similar?by=clip`);
      expect(compared.json.notice).toBeNull();
    }
    const byText = await platform.store.get<{ detail: string }>('/intelligence/search?text=harbour');
    expect([byText.status, byText.json.detail]).toEqual([
      503,
      'clip_text_embedding waits for its model: an admin fetches missing models with "cl-server models pull"',
    ]);
    installStandIns(platform.modelsDir, ['clip_image', 'dino_image', 'face_embedding']);
    for (const id of ids)
      await eventually(async () => (await platform.intelligence(id))?.inference_status.dino_embedding === 'completed', {
        within: 40_000,
        every: 100,
        what: 'the vector of the new model',
      });
  });

  it('computes all vectors again for another model while searches use the old ones, and then switches at once', async () => {
    const similar = async (): Promise<SimilarEntities> =>
      (await platform.store.get<SimilarEntities>(`/intelligence/entities/${ids[0]}/similar?by=clip`)).json;
    const before = await similar();
    expect(before.model_id).toBe('stand-in-clip-image');
    const { file, manifest } = makeStandIn(path.join(platform.modelsDir, 'other'), 'clip_image');
    await new ModelStore({ dir: platform.modelsDir }).use('clip_image', file, { ...manifest, id: 'another-clip' });
    const models = new Set<string | null>();
    await eventually(
      async () => {
        const now = await similar();
        models.add(now.model_id);
        // Each response is complete and comes from one model: it is never empty and never a mixture.
        expect(now.results.map(({ entity_id }) => entity_id)).toEqual(before.results.map(({ entity_id }) => entity_id));
        return now.model_id === 'another-clip';
      },
      { within: 60_000, every: 50, what: 'the new model' },
    );
    expect([...models]).toEqual(expect.arrayContaining(['another-clip']));
    expect((await platform.intelligence(ids[0] as number))?.overall_status).toBe('completed');
  });

  it('publishes the progress of each picture and of the platform, and that a killed worker is gone', async () => {
    const listener = await connectBroadcaster({ url: broker.url, logger: silentLogger() });
    try {
      const states: EntityStatusEvent[] = [];
      const words: InsightStatus[] = [];
      await listener.subscribe(TOPICS.entityStatus(PORTS.store, '+'), (_topic, payload) => {
        if (payload.length > 0) states.push(entityStatusEvent.parse(JSON.parse(String(payload))));
      });
      await listener.subscribe(TOPICS.insightStatus(PORTS.store), (_topic, payload) =>
        words.push(insightStatus.parse(JSON.parse(String(payload)))),
      );
      const { json } = await platform.store.upload(await picture(77), '77.png', { label: '77' });
      const own = () => states.filter(({ entity_id }) => entity_id === json.id);
      const last = await eventually(() => own().find(({ status }) => status === 'completed'), { within: 30_000 });
      expect(last).toMatchObject({
        face_detection: 'completed',
        face_count: 0,
        clip_embedding: 'completed',
        dino_embedding: 'completed',
        face_embeddings: [],
        hash: 'completed',
      });
      expect(own().some(({ status }) => status === 'queued' || status === 'processing')).toBe(true);
      expect(words.some(({ status, pending = 0, running = 0 }) => status === 'running' && pending + running > 0)).toBe(
        true,
      );
      await eventually(() => words.at(-1)?.status === 'idle' && words.at(-1)?.pending === 0);
      await platform.kill('insight');
      await eventually(() => words.at(-1)?.status === 'offline', { what: 'the last will' });
    } finally {
      await listener.close();
    }
  });
});

describe.runIf(isBuilt && hasMedia())('models of the insight worker without a broker', () => {
  let platform: InsightPlatform;
  beforeAll(async () => {
    platform = await InsightPlatform.start(sqlite as NonNullable<typeof sqlite>, {
      models: (dir) => installStandIns(dir, ['clip_image', 'face_embedding']),
    });
  });
  afterAll(() => platform?.stop());

  it('notices a model that is installed later within seconds', async () => {
    const { json } = await platform.store.upload(fs.readFileSync(mediaFile('cat.png')), 'cat.png', { label: 'cat' });
    expect((await platform.settled(json.id)).notice).toContain('dino_embedding waits for its model');
    installStandIns(platform.modelsDir, ['clip_image', 'dino_image', 'face_embedding']);
    await eventually(
      async () => (await platform.intelligence(json.id))?.inference_status.dino_embedding === 'completed',
      { within: 30_000, every: 100, what: 'the vector of the late model' },
    );
  });

  it('reports its progress, and that it is gone', async () => {
    const status = async (): Promise<InsightStatus> =>
      (await platform.store.call<InsightStatus>('GET', '/m_insight/status', { token: ADMIN })).json;
    await eventually(async () => (await status()).status === 'idle');
    expect(await status()).toMatchObject({ pending: 0, running: 0, failed: 0, waiting: 0 });
    await platform.kill('insight');
    await eventually(async () => (await status()).status === 'offline', { within: 15_000 });
  });
});
