import { backends } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEngine, type TestEngine } from './support/engine.js';

const able = (...capabilities: string[]) => ({ capabilities, unavailable: {} });
const lacking = { capabilities: [], unavailable: { hash: { code: 'tool_missing', reason: 'a tool is missing' } } };

describe.each(backends())('the register of workers on $name', (backend) => {
  let engine: TestEngine;
  beforeAll(async () => {
    engine = await startEngine(backend);
  });
  afterAll(() => engine.dispose());

  it('tells every process who lives and what each said last, until it is silent or withdraws', async () => {
    const { workers } = engine.another();
    expect(await workers.live(1_000)).toEqual([]);
    await engine.workers.announce('b', able('hash'));
    await engine.workers.announce('a', lacking);
    await engine.workers.announce('b', able('hash', 'exif'));
    const [a, b] = [
      { worker_id: 'a', ...lacking },
      { worker_id: 'b', ...able('hash', 'exif') },
    ];
    expect(await workers.live(1_000)).toEqual([a, b]);
    await engine.workers.withdraw('a');
    expect(await workers.live(1_000)).toEqual([b]);
    engine.clock.advance(1_000);
    expect(await workers.live(1_000)).toEqual([]);
    expect(await workers.live(1_001)).toEqual([b]);
  });

  it('forgets a worker that was killed long ago', async () => {
    await engine.workers.announce('killed', able('hash'));
    engine.clock.advance(4_000_000);
    await engine.workers.announce('another', able());
    const rows = await engine.database.kysely.selectFrom('workers').select('worker_id').execute();
    expect(rows).toEqual([{ worker_id: 'another' }]);
  });
});
