import fs from 'node:fs';
import path from 'node:path';
import { tempDir } from '@cl-server/testing';
import { expect, it } from 'vitest';
import { LogFile } from '../../src/supervisor/log-file.js';
import { parseLine, readableLine } from '../../src/supervisor/readable-line.js';

it('a log starts a new file at its maximum size and keeps the newest ones', () => {
  using dir = tempDir();
  const file = path.join(dir.path, 'a.log');
  const log = new LogFile(file, { maxBytes: 10, keep: 2 });
  for (const line of ['one one one', 'two two two', 'three three', 'four']) log.write(line);
  log.close();
  const read = (name: string): string => fs.readFileSync(path.join(dir.path, name), 'utf8');
  expect(fs.readdirSync(dir.path).toSorted()).toEqual(['a.log', 'a.log.1', 'a.log.2']);
  expect([read('a.log'), read('a.log.1'), read('a.log.2')]).toEqual(['four\n', 'three three\n', 'two two two\n']);
});

it('a log continues where it ended', () => {
  using dir = tempDir();
  const file = path.join(dir.path, 'a.log');
  for (const line of ['one', 'two']) {
    const log = new LogFile(file);
    log.write(line);
    log.close();
  }
  expect(fs.readFileSync(file, 'utf8')).toBe('one\ntwo\n');
});

it('JSON lines are shown as text, one line each, with their cause; other text is shown unchanged', () => {
  const now = () => new Date('2026-01-02T03:04:05Z');
  const line = JSON.stringify({
    level: 'warn',
    time: '2026-01-02T03:04:05Z',
    name: 'store',
    pid: 7,
    msg: 'not stored',
    path: '/entities',
    err: { message: 'disk\nfull', stack: 'at x' },
  });
  expect(readableLine(parseLine(line, 'store', 'info', now), 'store')).toMatch(
    /^\d\d:\d\d:05 warn {2}store {5}\| not stored path=\/entities \(disk full\)$/,
  );
  expect(parseLine('{"no":"log line"}', 'x', 'error', now).msg).toBe('{"no":"log line"}');
  expect(parseLine('plain', 'x', 'error', now)).toMatchObject({ level: 'error', name: 'x', msg: 'plain' });
});
