import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { tempDir } from '@cl-server/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { fileDigests } from '../src/hash/digests.js';

const dir = tempDir('cl-digests-');
afterAll(() => dir.remove());
const file = path.join(dir.path, 'data');
const MEGABYTE = 1024 * 1024;

describe('fileDigests', () => {
  it.each([0, 1, MEGABYTE, 3 * MEGABYTE + 5, 64 * MEGABYTE, 70 * MEGABYTE + 3])(
    'of %d bytes are those of the whole content, on one thread or several',
    async (size) => {
      const content = Buffer.alloc(size, randomBytes(1009));
      fs.writeFileSync(file, content);
      const of = (algorithm: string): string => createHash(algorithm).update(content).digest('hex');
      const reported: number[] = [];
      expect(await fileDigests(file, undefined, (bytes) => reported.push(bytes))).toEqual({
        size,
        md5: of('md5'),
        sha256: of('sha256'),
        sha512: of('sha512'),
      });
      expect(reported.at(-1) ?? 0).toBe(size);
    },
  );

  it.each([3, 70])('of %d megabytes stop when they are cancelled', async (megabytes) => {
    fs.writeFileSync(file, Buffer.alloc(megabytes * MEGABYTE));
    const cancel = new AbortController();
    const work = fileDigests(file, cancel.signal, () => cancel.abort());
    await expect(work).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('of a missing file fail with the error of the system', async () => {
    await expect(fileDigests(path.join(dir.path, 'absent'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
