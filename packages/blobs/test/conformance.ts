/** The guarantees of every blob store. A new implementation runs this suite unchanged. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { folderWith, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlobStore } from '../src/index.js';

export interface Opened {
  readonly store: BlobStore;
  close(): Promise<void>;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const textOf = async (store: BlobStore, key: string): Promise<string> => (await store.read(key, 1_000_000)).toString();
const refused = (code: string) => expect.objectContaining({ name: 'BlobError', code });

async function sorted(keys: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const key of keys) all.push(key);
  return all.sort();
}

export function describeBlobStore(name: string, open: () => Promise<Opened>): void {
  describe(`${name} keeps blobs`, () => {
    let opened: Opened;
    let store: BlobStore;
    const files = tempDir('cl-blob-files-');
    const file = (text: string): string => {
      const at = path.join(files.path, `${Math.round(performance.now() * 1e6)}.bin`);
      fs.writeFileSync(at, text);
      return at;
    };
    const put = (key: string, text: string) => store.put(key, Buffer.from(text));

    beforeAll(async () => {
      opened = await open();
      store = opened.store;
    });
    afterAll(async () => {
      await opened.close();
      files.remove();
    });

    it('returns what was put, with its size and digest, from bytes and from a stream of unknown length', async () => {
      const blocks = Array.from({ length: 40 }, (_, n) => Buffer.alloc(70_001, n));
      const whole = Buffer.concat(blocks);
      expect(await store.put('put/stream', Readable.from(blocks))).toEqual({
        size: whole.length,
        sha256: sha256(whole),
      });
      expect((await store.read('put/stream', whole.length)).equals(whole)).toBe(true);
      expect(await put('put/empty', '')).toEqual({ size: 0, sha256: sha256(Buffer.alloc(0)) });
      expect(await store.read('put/empty', 0)).toEqual(Buffer.alloc(0));
      expect(await store.head('put/empty')).toMatchObject({ size: 0 });
      await put('put/Übung mit Leerzeichen %2F?.jpg', 'umlauts');
      expect(await textOf(store, 'put/Übung mit Leerzeichen %2F?.jpg')).toBe('umlauts');
    });

    it('shows a blob when it is complete, and nothing of a stream that broke', async () => {
      const broken = new Error('the client left');
      let go: (() => void) | undefined;
      const paused = new Promise<void>((resolve) => {
        go = resolve;
      });
      async function* half() {
        yield Buffer.from('half');
        await paused;
        throw broken;
      }
      await put('whole/replaced', 'before');
      const putting = [
        store.put('whole/new', Readable.from(half())),
        store.put('whole/replaced', Readable.from(half())),
      ];
      const ended = Promise.allSettled(putting);
      expect(await store.head('whole/new')).toBeUndefined();
      go?.();
      expect(await ended).toEqual([1, 2].map(() => ({ status: 'rejected', reason: broken })));
      expect(await sorted(store.list('whole/'))).toEqual(['whole/replaced']);
      expect(await textOf(store, 'whole/replaced')).toBe('before');
    });

    it('lets two writers put one key at once: one of the two remains, whole', async () => {
      const texts = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(300_000));
      await Promise.all(texts.map((text) => put('race/one', text)));
      expect(texts).toContain(await textOf(store, 'race/one'));
    });

    it('takes a finished file, which is gone from its place afterwards', async () => {
      const source = file('finished');
      await store.putFile('file/a', source);
      expect(fs.existsSync(source)).toBe(false);
      expect(await textOf(store, 'file/a')).toBe('finished');
      await expect(store.putFile('file/b', source)).rejects.toEqual(refused('not_found'));
      await using draft = await store.draft();
      fs.writeFileSync(draft.path, 'by a tool');
      await store.putFile('file/a', draft.path, { isDurable: false });
      expect(await textOf(store, 'file/a')).toBe('by a tool');
      const abandoned = await store.draft();
      fs.writeFileSync(abandoned.path, 'the tool failed');
      await abandoned[Symbol.asyncDispose]();
      expect(fs.existsSync(abandoned.path)).toBe(false);
    });

    it('takes a finished folder, with all of its files or with none', async () => {
      const limits = { maxFiles: 5, maxBytes: 100 };
      const folder = folderWith({ 'a.txt': 'first', 'deep/er/b.txt': 'second' });
      expect(await store.putFolder('folder/1/', folder, limits)).toBe(11);
      expect(fs.existsSync(folder)).toBe(false);
      expect(await sorted(store.list('folder/'))).toEqual(['folder/1/a.txt', 'folder/1/deep/er/b.txt']);
      expect(await textOf(store, 'folder/1/deep/er/b.txt')).toBe('second');
      expect(await store.putFolder('folder/1/', folderWith({ 'c.txt': 'c' }), limits)).toBe(1);
      expect(await sorted(store.list('folder/'))).toEqual(['folder/1/c.txt']);
      await expect(store.putFolder('folder/2/', folder, limits)).rejects.toEqual(refused('not_found'));

      const linked = folderWith({ 'a.txt': 'a' });
      fs.symlinkSync('/etc/hostname', path.join(linked, 'link'));
      const large = folderWith({ 'a.txt': 'x'.repeat(101) });
      const many = folderWith({ 1: '', 2: '', 3: '', 4: '', 5: '', 6: '' });
      for (const wrong of [linked, large, many]) {
        await expect(store.putFolder('folder/3/', wrong, limits)).rejects.toEqual(refused('refused'));
        expect(fs.existsSync(wrong)).toBe(true);
        fs.rmSync(wrong, { recursive: true });
      }
      expect(await sorted(store.list('folder/3/'))).toEqual([]);
    });

    it('has a folder in which files are received', async () => {
      fs.mkdirSync(store.incoming, { recursive: true });
      const received = path.join(store.incoming, 'upload.part');
      fs.writeFileSync(received, 'received');
      await store.putFile('received/a', received);
      expect(await textOf(store, 'received/a')).toBe('received');
      fs.writeFileSync(received, 'the process died');
      fs.utimesSync(received, 1, 1);
      expect(await store.sweep(Date.now() - 60_000)).toBe(1);
      expect(fs.existsSync(received)).toBe(false);
    });

    it('measures what is below a prefix, and knows when a blob got its key', async () => {
      const before = Date.now() - 1_000;
      const old = file('12345');
      fs.utimesSync(old, 1, 1);
      await store.putFile('size/a', old);
      await put('size/deep/b', '123');
      expect([await store.sizeBelow('size/'), await store.sizeBelow('size/', 'unshared')]).toEqual([8, 8]);
      expect([await store.sizeBelow('size/deep/'), await store.sizeBelow('none/')]).toEqual([3, 0]);
      await store.copy('size/a', 'size/c', { isReadOnly: true });
      for (const key of ['size/a', 'size/c']) expect((await store.head(key))?.placed).toBeGreaterThan(before);
    });

    it('reads parts, and goes on reading what was open when the key was replaced or deleted', async () => {
      await put('range/a', '0123456789');
      const part = async (range?: { start: number; end: number }) => {
        const blob = await store.open('range/a');
        expect(blob.size).toBe(10);
        return (await blob.stream(range).toArray()).join('');
      };
      expect([await part(), await part({ start: 0, end: 0 }), await part({ start: 7, end: 9 })]).toEqual([
        '0123456789',
        '0',
        '789',
      ]);
      const before = Date.now() - 60_000;
      expect((await store.head('range/a'))?.modified).toBeGreaterThan(before);
      await using replaced = await store.open('range/a');
      await put('range/a', 'another');
      expect((await replaced.stream().toArray()).join('')).toBe('0123456789');
      await using unread = await store.open('range/a');
      await store.delete('range/a');
      await unread.close();
      await expect(store.read('range/a', 10)).rejects.toEqual(refused('not_found'));
      await put('range/large', '12345');
      await expect(store.read('range/large', 4)).rejects.toThrow('has 5 bytes, more than 4');
    });

    it('gives tools a file with the bytes', async () => {
      await put('tool/a.jpg', 'picture');
      expect(fs.readFileSync(await store.localFile('tool/a.jpg'), 'utf8')).toBe('picture');
      await expect(store.localFile('tool/missing')).rejects.toEqual(refused('not_found'));
    });

    it('lists keys by any prefix; names that begin with a dot only if they are asked for', async () => {
      for (const key of ['ab12/x', 'ab12-34/y', 'ab13/z', 'ab12/deep/er/w', '.kept/v']) await put(key, key);
      expect(await sorted(store.list('ab12'))).toEqual(['ab12-34/y', 'ab12/deep/er/w', 'ab12/x']);
      expect(await sorted(store.list('ab12/'))).toEqual(['ab12/deep/er/w', 'ab12/x']);
      expect(await sorted(store.list('ab12/deep/e'))).toEqual(['ab12/deep/er/w']);
      expect(await sorted(store.list('.kept/'))).toEqual(['.kept/v']);
      const all = await sorted(store.list(''));
      expect(all).toEqual(expect.arrayContaining(['ab12/x', 'ab13/z']));
      expect(all.filter((key) => key.startsWith('.'))).toEqual([]);
      expect(await sorted(store.list('none/'))).toEqual([]);
      expect(await sorted(store.folders('ab12/'))).toEqual(['deep']);
      expect(await sorted(store.folders(''))).toEqual(expect.arrayContaining(['ab12', 'ab12-34', 'ab13']));
      expect(await sorted(store.folders('none/'))).toEqual([]);
    });

    it('deletes one blob or all below a prefix; deleting what is not there is no error', async () => {
      for (const key of ['del/a', 'del/b/c', 'del/b/d', 'del/bb']) await put(key, key);
      await store.delete('del/a');
      await store.delete('del/a');
      expect([await store.deleteBelow('del/b/'), await store.deleteBelow('del/b/')]).toEqual([true, false]);
      expect(await sorted(store.list('del/'))).toEqual(['del/bb']);
      await store.delete('del/bb');
      expect(await sorted(store.folders(''))).not.toContain('del');
    });

    it('copies and moves: what was at the new key is replaced, and each copy outlives the other', async () => {
      await put('copy/a', 'a');
      await put('copy/b', 'b');
      await store.copy('copy/a', 'copy/deep/c');
      await store.copy('copy/a', 'copy/b', { isDurable: false });
      await put('copy/a', 'changed');
      expect([await textOf(store, 'copy/deep/c'), await textOf(store, 'copy/b')]).toEqual(['a', 'a']);
      await store.move('copy/a', 'copy/b');
      expect(await store.head('copy/a')).toBeUndefined();
      expect(await textOf(store, 'copy/b')).toBe('changed');
      await expect(store.copy('copy/a', 'copy/d')).rejects.toEqual(refused('not_found'));
      await expect(store.move('copy/a', 'other/d')).rejects.toEqual(refused('not_found'));
    });

    it('puts and deletes beside each other in one folder at the same time', async () => {
      const rounds = Array.from({ length: 60 }, (_, n) => n);
      await Promise.all(
        rounds.map(async (n) => {
          const key = `busy/${n % 3}/${n}`;
          await store.put(key, Buffer.from(key), { isDurable: n % 2 === 0 });
          await store.copy(key, `${key}.copy`);
          expect(await textOf(store, `${key}.copy`)).toBe(key);
          await Promise.all([store.delete(key), store.delete(`${key}.copy`)]);
        }),
      );
      expect(await sorted(store.list('busy/'))).toEqual([]);
    });

    it('refuses keys that lead out of it', async () => {
      for (const key of ['', '/etc/passwd', '../a', 'a/../../b', 'a//b', './a', 'a/.', 'a\0b', 'a/']) {
        await expect(put(key, 'x'), key).rejects.toEqual(refused('outside'));
        await expect(store.open(key), key).rejects.toEqual(refused('outside'));
        await expect(store.localFile(key), key).rejects.toEqual(refused('outside'));
        await expect(store.delete(key), key).rejects.toEqual(refused('outside'));
        await expect(store.copy('copy/b', key), key).rejects.toEqual(refused('outside'));
      }
      for (const prefix of ['../', '/', '', 'a', 'a/../../'])
        await expect(store.deleteBelow(prefix), prefix).rejects.toEqual(refused('outside'));
      await expect(sorted(store.list('../'))).rejects.toEqual(refused('outside'));
    });

    it('removes drafts that nobody finished, and keeps those that are being written', async () => {
      const [old, young] = [(await store.draft()).path, (await store.draft()).path];
      for (const draft of [old, young]) fs.writeFileSync(draft, 'draft');
      fs.utimesSync(old, 1_000, 1_000);
      expect(await store.sweep(Date.now() - 3_600_000)).toBe(1);
      expect([fs.existsSync(old), fs.existsSync(young)]).toEqual([false, true]);
    });
  });
}
