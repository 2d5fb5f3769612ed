import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { folderWith, tempDir } from '@cl-server/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { blobErrorOf } from '../src/errors.js';
import { BlobError, LocalBlobStore } from '../src/index.js';
import { describeBlobStore } from './conformance.js';

describeBlobStore('a folder of this machine', async () => {
  const dir = tempDir('cl-blobs-');
  return { store: new LocalBlobStore(path.join(dir.path, 'media')), close: async () => dir.remove() };
});

describe('a folder of this machine', () => {
  const dir = tempDir('cl-blobs-local-');
  afterAll(() => dir.remove());
  const root = path.join(dir.path, 'media');
  const store = new LocalBlobStore(root);

  it('keeps the documented layout: the key is the path, and no draft remains', async () => {
    await store.put('0cc1/cat.jpg', Buffer.from('cat'));
    await store.copy('0cc1/cat.jpg', '.incoming/second');
    expect(fs.readFileSync(path.join(root, '0cc1', 'cat.jpg'), 'utf8')).toBe('cat');
    expect(fs.statSync(path.join(root, '0cc1')).mode & 0o027).toBe(0);
    expect(fs.statSync(path.join(root, '0cc1', 'cat.jpg')).mode & 0o027).toBe(0);
    expect(fs.statSync(path.join(root, '0cc1', 'cat.jpg')).nlink).toBe(2); // A copy writes no bytes.
    expect(fs.readdirSync(path.join(root, '.drafts'))).toEqual([]);
    await store.delete('.incoming/second');
    expect(fs.existsSync(path.join(root, '.incoming'))).toBe(true); // The platform's own folders stay.
    await store.delete('0cc1/cat.jpg');
    expect(fs.readdirSync(root).sort()).toEqual(['.drafts', '.incoming']);
  });

  it('gives a tool a folder, and what the tool writes there is read like any blob', async () => {
    const folder = store.localFolder('streams/1/');
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'live.m3u8'), '#EXTM3U');
    expect((await store.read('streams/1/live.m3u8', 100)).toString()).toBe('#EXTM3U');
    expect(() => store.localFolder('../streams/')).toThrow(BlobError);
    await store.deleteBelow('streams/1/');
  });

  it('counts the bytes of a file under two keys once, and not among those that a deletion frees', async () => {
    await store.put('shared/1/a', Buffer.from('12345'));
    await store.copy('shared/1/a', 'shared/2/a', { isReadOnly: true });
    expect([await store.sizeBelow('shared/'), await store.sizeBelow('shared/1/', 'unshared')]).toEqual([5, 0]);
    expect(fs.statSync(path.join(root, 'shared/1/a')).mode & 0o777).toBe(0o440);
    await store.deleteBelow('shared/2/');
    expect(await store.sizeBelow('shared/1/', 'unshared')).toBe(5);
    await store.deleteBelow('shared/');
  });

  it('follows no link in the place of a folder if other programs can write in it', async () => {
    const guarded = new LocalBlobStore(root, { refusesLinks: true });
    const elsewhere = folderWith({ 'a.txt': 'secret' });
    fs.mkdirSync(path.join(root, 'guarded'));
    fs.symlinkSync(elsewhere, path.join(root, 'guarded', 'link'));
    expect((await store.read('guarded/link/a.txt', 10)).toString()).toBe('secret');
    for (const work of [
      () => guarded.read('guarded/link/a.txt', 10),
      () => guarded.localFile('guarded/link/a.txt'),
      () => guarded.put('guarded/link/b.txt', Buffer.from('b')),
      () => guarded.copy('guarded/link/a.txt', 'guarded/b.txt'),
      () => guarded.putFolder('guarded/link/c/', folderWith({ 'c.txt': 'c' }), { maxFiles: 9, maxBytes: 9 }),
    ])
      await expect(work()).rejects.toMatchObject({ code: 'outside' });
    expect(fs.readdirSync(elsewhere)).toEqual(['a.txt']);
    expect(await guarded.deleteBelow('guarded/')).toBe(true);
    expect(fs.readdirSync(elsewhere)).toEqual(['a.txt']);
  });

  it('works in a folder that is reached by a symbolic link', async () => {
    fs.mkdirSync(path.join(dir.path, 'disk'));
    fs.symlinkSync(path.join(dir.path, 'disk'), path.join(dir.path, 'link'));
    const linked = new LocalBlobStore(path.join(dir.path, 'link'));
    await linked.put('a/b', Buffer.from('c'));
    expect(fs.readFileSync(path.join(dir.path, 'disk/a/b'), 'utf8')).toBe('c');
  });

  it('reads no symbolic links, folders and pipes that another program put in it', async () => {
    fs.mkdirSync(path.join(root, 'odd', 'folder'), { recursive: true });
    fs.writeFileSync(path.join(dir.path, 'secret'), 'secret');
    fs.symlinkSync(path.join(dir.path, 'secret'), path.join(root, 'odd', 'link'));
    await expect(store.open('odd/link')).rejects.toMatchObject({ code: 'outside' });
    await expect(store.localFile('odd/link')).rejects.toMatchObject({ code: 'not_found' });
    await expect(store.copy('odd/link', 'odd/copy')).rejects.toMatchObject({ code: 'outside' });
    await expect(store.open('odd/folder')).rejects.toMatchObject({ code: 'not_found' });
    expect([await store.head('odd/link'), await store.head('odd/folder')]).toEqual([undefined, undefined]);
    await expect(store.put('.drafts/a', Buffer.from('x'))).rejects.toMatchObject({ code: 'outside' });
  });

  it('reports by codes that the disk is full or away, and leaves errors of the source unchanged', async () => {
    const system = (code: string) => Object.assign(new Error(code), { code });
    expect(['ENOSPC', 'EDQUOT', 'ESTALE', 'ENOENT', 'ELOOP'].map((code) => blobErrorOf(system(code), 'a'))).toEqual(
      ['full', 'full', 'away', 'not_found', 'outside'].map((code) =>
        expect.objectContaining({ name: 'BlobError', code }),
      ),
    );
    const left = system('ETIMEDOUT');
    const source = new Readable({ read: () => source.destroy(left) });
    await expect(store.put('a/b', source)).rejects.toBe(left);
    expect(blobErrorOf(system('EACCES'), 'a')).not.toBeInstanceOf(BlobError);
  });
});
