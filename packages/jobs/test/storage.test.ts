import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { type FolderLimits, LocalBlobStore } from '@cl-server/blobs';
import { folderWith, type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FilesOf } from '../src/index.js';
import { JobFiles } from '../src/storage/job-files.js';

const CONTENT = Buffer.from('some bytes');
const HASH = createHash('sha256').update(CONTENT).digest('hex');
const JOB: FilesOf = { job_id: 'job-1', committed_attempt: 2 };

describe('job files', () => {
  let dir: TempDir;
  let root: string;
  let storage: JobFiles;
  const open = (limits?: FolderLimits): JobFiles =>
    new JobFiles(new LocalBlobStore(root, { refusesLinks: true }), limits);
  beforeEach(async () => {
    dir = tempDir('cl-storage-');
    root = path.join(dir.path, 'compute');
    storage = open();
  });
  afterEach(() => dir.remove());

  const read = async (job: FilesOf, relative: string): Promise<string> =>
    (await storage.read(job, relative, 1_000)).toString();
  const deliver = (attempt: number, files: Record<string, string>): Promise<number> =>
    storage.deliver(JOB.job_id, attempt, folderWith(files));

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

  it('are one read-only file for several jobs that share an input, and are copied if there are no links', async () => {
    const first = path.join(root, JOB.job_id, 'input', 'a');
    await storage.save(JOB.job_id, 'input/a', CONTENT);
    const saved = { relative_path: 'input/b', size: CONTENT.length, hash: HASH };
    const source = { job: JOB, path: 'input/a' };
    expect(await storage.save('job-2', 'input/b', source)).toEqual(saved);
    const second = fs.statSync(path.join(root, 'job-2', 'input', 'b'));
    expect([second.ino, second.nlink, second.mode & 0o777]).toEqual([fs.statSync(first).ino, 2, 0o440]);
    expect(await storage.size()).toEqual({ total_size: CONTENT.length, job_count: 2 });

    expect(await storage.sizeOf(JOB.job_id), 'its removal frees nothing').toBe(0);
    await storage.remove(JOB.job_id);
    expect(await read({ job_id: 'job-2', committed_attempt: null }, 'input/b')).toBe(CONTENT.toString());
    expect(await storage.sizeOf('job-2')).toBe(CONTENT.length);

    const other = { job: { job_id: 'job-2', committed_attempt: null }, path: 'input/b' };
    for (const code of ['EXDEV', 'EPERM', 'EMLINK']) {
      vi.spyOn(fs.promises, 'link').mockRejectedValueOnce(Object.assign(new Error(code), { code }));
      expect((await storage.save('job-3', `input/${code}`, other)).hash).toBe(HASH);
      expect(fs.statSync(path.join(root, 'job-3', 'input', code)).nlink).toBe(1);
    }
  });

  it('are never shared through a symbolic link', async () => {
    const secret = path.join(dir.path, 'secret');
    fs.writeFileSync(secret, 'secret');
    await storage.save(JOB.job_id, 'input/a', CONTENT);
    fs.symlinkSync(secret, path.join(root, JOB.job_id, 'input', 'planted'));
    const saving = storage.save('job-2', 'input/b', { job: JOB, path: 'input/planted' });
    await expect(saving).rejects.toMatchObject({ code: 'path_traversal' });
    expect(fs.existsSync(path.join(root, 'job-2'))).toBe(false);
    expect(fs.statSync(secret).mode & 0o777).not.toBe(0o440);
  });

  it('are copied from the results of another job', async () => {
    await deliver(2, { 'output/a': 'result' });
    const source = { job: JOB, path: 'output/a' };
    expect(await storage.save('job-2', 'input/a', source)).toMatchObject({ size: 6 });
    expect(await read({ job_id: 'job-2', committed_attempt: null }, 'input/a')).toBe('result');
    expect(fs.statSync(path.join(root, 'job-2/input/a')).nlink).toBe(1);
    const missing = storage.save('job-2', 'input/b', { job: JOB, path: 'input/none' });
    await expect(missing).rejects.toMatchObject({ code: 'not_found', message: 'File not found: input/none' });
  });

  it('leave nothing behind when the upload breaks off', async () => {
    const broken = new Readable({ read() {} });
    const saving = storage.save(JOB.job_id, 'input/a', broken);
    broken.push('half');
    broken.destroy(new Error('gone'));
    await expect(saving).rejects.toThrow('gone');
    expect(fs.readdirSync(storage.uploads)).toEqual([]);
    expect(fs.existsSync(path.join(root, JOB.job_id))).toBe(false);
  });

  it('of the committed attempt alone are the results, whatever a late writer does', async () => {
    await deliver(1, { 'output/a.json': 'late' });
    await deliver(2, { 'output/a.json': 'committed', 'faces/0.png': 'face' });
    expect(await read(JOB, 'output/a.json')).toBe('committed');
    await deliver(1, { 'output/a.json': 'later still' });
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
  ])('with %s are refused, and nothing of them is kept', async (_what, spoil) => {
    fs.writeFileSync(path.join(dir.path, 'key.pem'), 'secret');
    const small = open({ maxFiles: 4, maxBytes: 100 });
    expect(await small.deliver(JOB.job_id, 1, folderWith({ 'output/a': 'x' }))).toBe(1);
    const spoiled = folderWith({ 'output/a': 'x' });
    spoil(spoiled);
    await expect(small.deliver(JOB.job_id, 2, spoiled)).rejects.toMatchObject({
      name: 'JobError',
      code: 'result_refused',
    });
    expect(await small.attempts(JOB.job_id)).toEqual([1]);
    fs.rmSync(spoiled, { recursive: true });
  });

  it('are delivered many at once, and one whose folder leads elsewhere fails alone', async () => {
    const attempts = Array.from({ length: 60 }, (_, index) => index + 1);
    const elsewhere = path.join(dir.path, 'elsewhere');
    fs.symlinkSync(folderWith({ 'output/a': 'x' }), elsewhere);
    const missing = path.join(dir.path, 'no-results');
    const [linked, none, ...delivered] = await Promise.allSettled([
      storage.deliver(JOB.job_id, 61, elsewhere),
      storage.deliver(JOB.job_id, 62, missing), // a task without files has no folder
      ...attempts.map((attempt) => deliver(attempt, { 'output/a.json': 'result' })),
    ]);
    expect([linked?.status, none?.status]).toEqual(['rejected', 'fulfilled']);
    expect(delivered.filter(({ status }) => status === 'rejected')).toEqual([]);
    expect((await storage.attempts(JOB.job_id)).sort((a, b) => a - b)).toEqual(attempts);
  });

  it.each(['../job-2/input/a', 'input/../../x', '/etc/passwd', '..\\x', 'input/a\0', 'output/../../../x'])(
    'are not left by the path %j',
    async (relative) => {
      await expect(storage.open(JOB, relative)).rejects.toMatchObject({ code: 'path_traversal' });
      await expect(storage.save(JOB.job_id, relative, CONTENT)).rejects.toMatchObject({ code: 'path_traversal' });
      await expect(storage.localFile(JOB, relative)).rejects.toMatchObject({ code: 'path_traversal' });
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
    const home = path.join(root, JOB.job_id);
    await storage.save(JOB.job_id, 'input/a', CONTENT);
    fs.symlinkSync(path.join(secret, 'a'), path.join(home, 'input/link'));
    fs.symlinkSync(secret, path.join(home, 'input/folder'));
    for (const relative of ['input/link', 'input/folder/a'])
      await expect(storage.open(JOB, relative)).rejects.toMatchObject({ code: 'path_traversal' });
    await expect(storage.localFile(JOB, 'input/folder/a')).rejects.toMatchObject({ code: 'path_traversal' });
    await expect(storage.save(JOB.job_id, 'input/folder/b', CONTENT)).rejects.toMatchObject({ code: 'path_traversal' });
    fs.symlinkSync(secret, path.join(home, 'attempts'));
    await expect(deliver(1, { 'output/b': 'x' })).rejects.toThrow();
    expect(fs.readdirSync(secret)).toEqual(['a']);
  });

  it('say what is wrong: missing file, missing folder, a folder instead of a file', async () => {
    await storage.save(JOB.job_id, 'input/a', CONTENT);
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
    expect((await file.stream().toArray()).join('')).toBe(CONTENT.toString());
    await expect(storage.open(JOB, 'input/a')).rejects.toMatchObject({ code: 'not_found' });
    expect(await storage.remove(JOB.job_id)).toBe(false);
  });
});
