import { eventually } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestPlatform, testPlatform } from './support/platform.js';

const MODEL_TASKS = ['clip_embedding', 'clip_text_embedding', 'dino_embedding', 'face_embedding'];

describe('a worker without models', () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await testPlatform({ plugins: [] });
  });
  afterAll(() => platform.close());

  const started = async (LOG_LEVEL: string) => {
    const env = {
      WORKER_SUPPORTED_TASKS: ['hash', 'face_detection', ...MODEL_TASKS].join(','),
      MODELS_DOWNLOAD: 'never',
      LOG_LEVEL,
    };
    const worker = platform.start({ env });
    // The face detector comes with the package.
    expect((await worker.ready).tasks).toEqual(['face_detection', 'hash']);
    const output = await eventually(() => /"msg":"ready".*\n/.test(worker.output()) && worker.output());
    const lines = output.split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as { level: string; msg: string; tasks?: string[]; reason?: string });
  };

  it('says so in one line that names the tasks and what to do', async () => {
    const warnings = (await started('info')).filter(({ level }) => level === 'warn');
    expect(warnings).toEqual([expect.objectContaining({ tasks: MODEL_TASKS })]);
    expect(warnings[0]?.msg).toContain('cl-server models pull');
    expect(warnings[0]?.reason).toBeUndefined();
  });

  it('gives each reason to those who log everything', async () => {
    const reasons = (await started('debug')).flatMap(({ level, reason }) => (level === 'debug' && reason) || []);
    expect(reasons).toHaveLength(MODEL_TASKS.length);
    for (const reason of reasons)
      expect(reason).toMatch(/MB\) is missing: run "cl-server models pull .+ SHA-256 [0-9a-f]{64}/);
  });
});
