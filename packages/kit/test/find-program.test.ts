import fs from 'node:fs';
import path from 'node:path';
import { type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findProgram } from '../src/index.js';

let dir: TempDir;
beforeEach(() => {
  dir = tempDir();
});
afterEach(() => dir.remove());

function made(name: string, mode: number): string {
  const file = path.join(dir.path, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, '#!/bin/sh\n', { mode });
  return file;
}

describe('a program', () => {
  it('is the first executable file of its name in PATH', () => {
    made('first/tool', 0o644);
    fs.mkdirSync(path.join(dir.path, 'second/tool'), { recursive: true });
    const third = made('third/tool', 0o755);
    made('fourth/tool', 0o755);
    const folders = ['first', 'second', '', 'third', 'fourth'].map((name) => name && path.join(dir.path, name));
    expect(findProgram('tool', undefined, folders.join(path.delimiter))).toBe(third);
  });

  it('is only the configured path if there is one, found or not', () => {
    const other = made('bin/other', 0o755);
    const folder = path.dirname(made('bin/tool', 0o755));
    expect(findProgram('tool', other, folder)).toBe(other);
    expect(findProgram('tool', path.relative(process.cwd(), other), undefined)).toBe(other);
    expect(findProgram('tool', path.join(folder, 'absent'), folder)).toBeUndefined();
    expect(findProgram('tool', made('notes', 0o644), folder)).toBeUndefined();
  });

  it('is not found without a PATH', () => {
    expect(findProgram('tool', undefined, undefined)).toBeUndefined();
  });
});
