/** Models that come late, and models that change: what was found out follows them. */
import fs from 'node:fs';
import path from 'node:path';
import type { SimilarEntities } from '@cl-server/contract';
import { sharp } from '@cl-server/media';
import { ModelStore } from '@cl-server/models';
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

  it('a model that is missing is named, and what needs it is done once a worker has it', async () => {
    for (const id of ids) {
      const state = await platform.settled(id);
      expect(state.overall_status).toBe('failed');
      expect(state.error_message).toContain('dinov2_vits14.onnx');
      expect(state.inference_status).toMatchObject({ clip_embedding: 'completed', dino_embedding: 'failed' });
    }
    installStandIns(platform.modelsDir, ['clip_image', 'dino_image', 'face_embedding']);
    for (const id of ids)
      await eventually(async () => (await platform.intelligence(id))?.overall_status === 'completed', {
        within: 40_000,
        every: 100,
        what: 'the completed entity',
      });
  });

  it('another model makes all vectors anew while the old ones answer, and then takes over at once', async () => {
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
        // Never without results, never a mixture: each answer is of one model, and whole.
        expect(now.results.map(({ entity_id }) => entity_id)).toEqual(before.results.map(({ entity_id }) => entity_id));
        return now.model_id === 'another-clip';
      },
      { within: 60_000, every: 50, what: 'the new model' },
    );
    expect([...models]).toEqual(expect.arrayContaining(['another-clip']));
    expect((await platform.intelligence(ids[0] as number))?.overall_status).toBe('completed');
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

  it('a model that comes late is noticed in seconds', async () => {
    const { json } = await platform.store.upload(fs.readFileSync(mediaFile('cat.png')), 'cat.png', { label: 'cat' });
    expect((await platform.settled(json.id)).error_message).toContain('dinov2_vits14.onnx');
    installStandIns(platform.modelsDir, ['dino_image']);
    await eventually(
      async () => (await platform.intelligence(json.id))?.inference_status.dino_embedding === 'completed',
      { within: 30_000, every: 100, what: 'the vector of the late model' },
    );
  });
});
