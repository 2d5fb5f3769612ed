import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEngine, type TestEngine } from './support/engine.js';

describe.each(backends())('preferences on $name', (backend) => {
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await startEngine(backend);
  });
  afterAll(() => engine.dispose());

  it('are unknown until set, and then seen by every process with who set them when', async () => {
    const { preferences } = engine.another();
    expect(await preferences.get('compute.auth_enabled')).toBeUndefined();
    await engine.preferences.set('compute.auth_enabled', 'true', null);
    engine.clock.advance(5);
    const set = await engine.preferences.set('compute.auth_enabled', 'false', '7');
    expect(set).toEqual({ value: 'false', updated_at: engine.clock.time, updated_by: '7' });
    expect(await preferences.get('compute.auth_enabled')).toEqual(set);
  });
});
