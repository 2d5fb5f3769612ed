/** The lock of a data folder: one launcher, whatever happened to the one before. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockDataDir } from '../../src/platform/lock.js';

let dir: TempDir;
beforeEach(() => {
  dir = tempDir('cl-lock-');
});
afterEach(() => dir.remove());
const lockFile = (): string => path.join(dir.path, 'cl-server.lock');

it('is refused to a second launcher; the message names the first one and what to do', () => {
  const unlock = lockDataDir(dir.path);
  expect(() => lockDataDir(dir.path)).toThrow(
    `the data folder ${dir.path} is in use by another CL Server (process ${process.pid}): stop that one`,
  );
  unlock();
  lockDataDir(dir.path)();
  expect(fs.readdirSync(dir.path)).toEqual([]);
});

it('is taken over from a launcher that has died', async () => {
  const gone = spawn(process.execPath, ['-e', '0']);
  await new Promise((resolve) => gone.once('exit', resolve));
  fs.writeFileSync(lockFile(), `${gone.pid}\nsome boot 1\n`);
  lockDataDir(dir.path)();
});

it('is taken over if its process id belongs to another process now, or the file is damaged', () => {
  for (const text of [`${process.pid}\nanother boot 1\n`, '', 'rubbish']) {
    fs.writeFileSync(lockFile(), text);
    lockDataDir(dir.path)();
  }
});

it('is not released if another launcher has taken it meanwhile', () => {
  const unlock = lockDataDir(dir.path);
  fs.writeFileSync(lockFile(), 'another');
  unlock();
  expect(fs.readFileSync(lockFile(), 'utf8')).toBe('another');
});
