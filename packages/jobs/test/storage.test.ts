import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FilesOf } from '../src/index.js';
import { LocalJobStorage } from '../src/storage/local.js';

const CONTENT = Buffer.from('some bytes');
const HASH = createHash('sha256').update(CONTENT).digest('hex');
const JOB: FilesOf = { job_id: 'job-1', committed_attempt: 2 };

describe('job files', () => {
  let dir: TempDir;
  let storage: LocalJobStorage;
  beforeEach(async () => {
    dir = tempDir('cl-storage-');
    storage = new LocalJobStorage(path.join(dir.path, 'compute'));
    await storage.createDirectory(JOB.job_id);
  });
  afterEach(() => dir.remove());

  const read = async (job: FilesOf, relative: string): Promise<string> => {
    await using file = await storage.open(job, relative);
    return file.handle.readFile('utf8');
  };
  const write = async (attempt: number, relative: string, text: string): Promise<void> =>
    fs.promises.writeFile(await storage.allocatePath(JOB.job_id, attempt, relative), text);

  it('are saved from bytes, streams, and files copied or moved, with size and SHA-256', async () => {
    const source = path.join(dir.path, 'source.bin');
    fs.writeFileSync(source, CONTENT);
    const expected = (name: string) => ({ relative_path: `input/${name}`, size: CONTENT.length, hash: HASH });
    expect(await storage.save(JOB.job_id, 'input/a', CONTENT)).toEqual(expected('a'));
    expect(
      await storage.save(JOB.job_id, 'input/b', Readable.from([CONTENT.subarray(0, 3), CONTENT.subarray(3)])),
    ).toEqual(expected('b'));
    expect(await storage.save(JOB.job_id, 'input/c', { path: source })).toEqual(expected('c'));
    expect(fs.existsSync(source)).toBe(true);
    expect(await storage.save(JOB.job_id, 'input/d', { path: source, move: true })).toEqual(expected('d'));
    expect(fs.existsSync(source)).toBe(false);
    expect(await storage.size()).toEqual({ total_size: 4 * CONTENT.length, job_count: 1 });
  });

  it('are one read-only file for several jobs where an input is linked, and are copied where there are no links', async () => {
    const first = path.join(storage.root, JOB.job_id, 'input', 'a');
    await storage.save(JOB.job_id, 'input/a', CONTENT);
    await storage.createDirectory('job-2');
    const saved = { relative_path: 'input/b', size: CONTENT.length, hash: HASH };
    expect(await storage.save('job-2', 'input/b', { path: first, link: true })).toEqual(saved);
    const second = fs.statSync(path.join(storage.root, 'job-2', 'input', 'b'));
    expect([second.ino, second.nlink, second.mode & 0o777]).toEqual([fs.statSync(first).ino, 2, 0o440]);
    expect(await storage.size()).toEqual({ total_size: CONTENT.length, job_count: 2 });

    expect(await storage.sizeOf(JOB.job_id), 'its removal frees nothing').toBe(0);
    await storage.remove(JOB.job_id);
    expect(await read({ job_id: 'job-2', committed_attempt: null }, 'input/b')).toBe(CONTENT.toString());
    expect(await storage.sizeOf('job-2')).toBe(CONTENT.length);

    const other = path.join(storage.root, 'job-2', 'input', 'b');
    for (const code of ['EXDEV', 'EPERM', 'EMLINK']) {
      vi.spyOn(fs.promises, 'link').mockRejectedValueOnce(Object.assign(new Error(code), { code }));
      expect((await storage.save('job-3', `input/${code}`, { path: other, link: true })).hash).toBe(HASH);
      expect(fs.statSync(path.join(storage.root, 'job-3', 'input', code)).nlink).toBe(1);
    }
  });

  it('are never linked through a symbolic link, and results that are links are refused as before', async () => {
    const secret = path.join(dir.path, 'secret');
    fs.writeFileSync(secret, 'secret');
    const planted = path.join(storage.root, JOB.job_id, 'input', 'planted');
    fs.symlinkSync(secret, planted);
    await storage.createDirectory('job-2');
    await expect(storage.save('job-2', 'input/b', { path: planted, link: true })).rejects.toThrow();
    expect(fs.readdirSync(path.join(storage.root, 'job-2', 'input'))).toEqual([]);
    expect(fs.statSync(secret).mode & 0o777).not.toBe(0o440);

    await storage.save(JOB.job_id, 'input/a', CONTENT);
    const result = await storage.allocatePath(JOB.job_id, 1, 'output/a');
    fs.linkSync(path.join(storage.root, JOB.job_id, 'input', 'a'), result);
    await expect(storage.seal(JOB.job_id, 1)).rejects.toMatchObject({ name: 'JobError', code: 'result_refused' });
  });

  it('leave nothing behind when the upload breaks off', async () => {
    const broken = new Readable({ read() {} });
    const saving = storage.save(JOB.job_id, 'input/a', broken);
    broken.push('half');
    broken.destroy(new Error('gone'));
    await expect(saving).rejects.toThrow('gone');
    expect(fs.readdirSync(storage.uploads)).toEqual([]);
    expect(fs.readdirSync(path.join(storage.root, JOB.job_id, 'input'))).toEqual([]);
  });

  it('of the committed attempt alone are the results, whatever a late writer does', async () => {
    await write(1, 'output/a.json', 'late');
    await write(2, 'output/a.json', 'committed');
    await write(2, 'faces/0.png', 'face');
    await storage.seal(JOB.job_id, 2);
    expect(await read(JOB, 'output/a.json')).toBe('committed');
    await write(1, 'output/a.json', 'later still');
    expect(await read(JOB, 'output/a.json')).toBe('committed');
    expect(await read(JOB, 'faces/0.png')).toBe('face');
    await expect(read({ ...JOB, committed_attempt: null }, 'output/a.json')).rejects.toMatchObject({
      code: 'not_found',
    });
    await expect(read(JOB, 'attempts/1/output/a.json')).rejects.toMatchObject({ code: 'not_found' });
  });

  it.each<[string, (home: string) => void]>([
    ['a hard link', (home) => fs.linkSync(path.join(dir.path, 'key.pem'), path.join(home, 'output/key'))],
    ['a symbolic link', (home) => fs.symlinkSync(path.join(dir.path, 'key.pem'), path.join(home, 'output/key'))],
    ['a symbolic link to a folder', (home) => fs.symlinkSync(dir.path, path.join(home, 'output/all'))],
    ['a pipe', (home) => void execFileSync('mkfifo', [path.join(home, 'output/pipe')])],
    [
      'too many files',
      (home) => {
        for (const n of [1, 2, 3, 4]) fs.writeFileSync(path.join(home, `output/${n}`), '');
      },
    ],
    ['too many bytes', (home) => fs.writeFileSync(path.join(home, 'output/big'), 'x'.repeat(101))],
  ])('with %s are refused at sealing', async (_what, spoil) => {
    fs.writeFileSync(path.join(dir.path, 'key.pem'), 'secret');
    const small = new LocalJobStorage(path.join(dir.path, 'small'), { maxFiles: 4, maxBytes: 100 });
    const job = { ...JOB, job_id: 'job-small' };
    fs.writeFileSync(await small.allocatePath(job.job_id, 1, 'output/a'), 'x');
    await small.seal(job.job_id, 1);
    spoil(path.join(small.root, job.job_id, 'attempts/1'));
    await expect(small.seal(job.job_id, 1)).rejects.toMatchObject({ name: 'JobError', code: 'result_refused' });
  });

  it('are sealed many at once, and one whose folder leads elsewhere fails alone', async () => {
    const attempts = Array.from({ length: 60 }, (_, index) => index + 1);
    for (const attempt of attempts) await write(attempt, 'output/a.json', 'result');
    const elsewhere = path.join(storage.root, JOB.job_id, 'attempts', '61');
    fs.symlinkSync(dir.path, elsewhere);
    const [linked, missing, ...sealed] = await Promise.allSettled(
      [61, 62, ...attempts].map((attempt) => storage.seal(JOB.job_id, attempt)),
    );
    expect(linked?.status).toBe('rejected');
    expect(missing?.status).toBe('fulfilled'); // a task without files has no folder
    expect(sealed.filter(({ status }) => status === 'rejected')).toEqual([]);
  });

  it.each(['../job-2/input/a', 'input/../../x', '/etc/passwd', '..\\x', 'input/a\0', 'output/../../../x'])(
    'are not left by the path %j',
    async (relative) => {
      await expect(storage.open(JOB, relative)).rejects.toMatchObject({ code: 'path_traversal' });
      await expect(storage.save(JOB.job_id, relative, CONTENT)).rejects.toMatchObject({ code: 'path_traversal' });
      await expect(storage.allocatePath(JOB.job_id, 1, relative)).rejects.toMatchObject({ code: 'path_traversal' });
    },
  );

  it.each(['', '..', '../x', 'a/b', '.uploads', 'x'.repeat(200)])('of the id %j do not exist', async (job_id) => {
    await expect(storage.open({ job_id, committed_attempt: null }, 'input/a')).rejects.toMatchObject({
      code: 'not_found',
    });
    expect(await storage.remove(job_id)).toBe(false);
  });

  it('are not left by symbolic links, to read or to write', async () => {
    const secret = path.join(dir.path, 'secret');
    fs.mkdirSync(secret);
    fs.writeFileSync(path.join(secret, 'a'), 'secret');
    const home = path.join(storage.root, JOB.job_id);
    fs.symlinkSync(path.join(secret, 'a'), path.join(home, 'input/link'));
    fs.symlinkSync(secret, path.join(home, 'input/folder'));
    fs.mkdirSync(path.join(home, 'attempts/1'), { recursive: true });
    fs.symlinkSync(secret, path.join(home, 'attempts/1/output'));
    for (const relative of ['input/link', 'input/folder/a'])
      await expect(storage.open(JOB, relative)).rejects.toMatchObject({ code: 'path_traversal' });
    await expect(storage.save(JOB.job_id, 'input/folder/b', CONTENT)).rejects.toMatchObject({ code: 'path_traversal' });
    await expect(storage.allocatePath(JOB.job_id, 1, 'output/b')).rejects.toMatchObject({ code: 'path_traversal' });
    expect(fs.readdirSync(secret)).toEqual(['a']);
  });

  it('say what is wrong: missing file, missing folder, a folder instead of a file', async () => {
    await expect(storage.open(JOB, 'input/none')).rejects.toMatchObject({
      code: 'not_found',
      message: 'File not found: input/none',
    });
    await expect(storage.open(JOB, 'input')).rejects.toMatchObject({
      code: 'not_a_file',
      message: 'Path is not a file: input',
    });
    await expect(storage.open({ ...JOB, job_id: 'none' }, 'input/a')).rejects.toMatchObject({
      code: 'not_found',
      message: 'Job directory not found for job none',
    });
  });

  it('can be removed while somebody reads, who reads on', async () => {
    await storage.save(JOB.job_id, 'input/a', CONTENT);
    await using file = await storage.open(JOB, 'input/a');
    expect(await storage.remove(JOB.job_id)).toBe(true);
    expect(await file.handle.readFile()).toEqual(CONTENT);
    await expect(storage.open(JOB, 'input/a')).rejects.toMatchObject({ code: 'not_found' });
    expect(await storage.remove(JOB.job_id)).toBe(false);
  });
});
