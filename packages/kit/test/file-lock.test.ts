import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { withLock } from '@cl-server/kit';
import { tempDir } from '@cl-server/testing';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';

const dir = tempDir('cl-lock-');
afterAll(() => dir.remove());
const lock = path.join(dir.path, 'below', 'it.lock');
const old = new Date(Date.now() - 60_000);

describe('a lock file', () => {
  beforeEach(() => fs.rmSync(path.dirname(lock), { recursive: true, force: true }));

  it('admits one process at a time, also after failures, and leaves nothing behind', async () => {
    let inside = 0;
    const work = (i: number) => async () => {
      expect(++inside).toBe(1);
      await pause(5);
      inside--;
      if (i % 2) throw new Error('broken');
    };
    const ended = await Promise.allSettled([0, 1, 2, 3].map((i) => withLock(lock, {}, work(i))));
    expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(fs.readdirSync(path.dirname(lock))).toEqual([]);
  });

  it.each([
    ['of a process that is gone', '999999999', new Date()],
    ['that was not touched for long', String(process.pid), old],
    ['of another machine, not touched for long', '1 elsewhere 00', old],
  ])('a lock %s is taken over, by one of many', async (_, holder, touched) => {
    fs.mkdirSync(path.dirname(lock));
    fs.writeFileSync(lock, holder);
    fs.utimesSync(lock, touched, touched);
    let inside = 0;
    const work = async () => {
      expect(++inside).toBe(1);
      await pause(5);
      inside--;
    };
    await Promise.all(Array.from({ length: 6 }, () => withLock(lock, {}, work)));
    expect(fs.readdirSync(path.dirname(lock))).toEqual([]);
  });

  it.each([
    ['of a living process', `${process.pid} ${os.hostname()} 00`],
    ['of another machine, whose process numbers say nothing here', '999999999 elsewhere 00'],
  ])('a lock %s is waited for until the signal comes', async (_, holder) => {
    fs.mkdirSync(path.dirname(lock));
    fs.writeFileSync(lock, holder);
    let waits = 0;
    const options = { signal: AbortSignal.timeout(500), onWait: () => waits++ };
    await expect(withLock(lock, options, async () => 'in')).rejects.toMatchObject({ name: 'AbortError' });
    expect(waits).toBe(1);
    expect(fs.readFileSync(lock, 'utf8')).toBe(holder);
  });

  it('is not removed by a process that lost it to a new holder', async () => {
    await withLock(lock, {}, async () => fs.writeFileSync(lock, '1 elsewhere 00'));
    expect(fs.readFileSync(lock, 'utf8')).toBe('1 elsewhere 00');
  });
});
