import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type ModelManifest, modelManifest } from '@cl-server/contract';
import { eventually, installStandIns, makeStandIn, type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { manifestById } from '../src/catalogue.js';
import { assertOwnName, contentOf } from '../src/content.js';
import { ModelMissing } from '../src/missing.js';
import { ModelStore } from '../src/store.js';

const bytes = randomBytes(300_000);
const sha256 = createHash('sha256').update(bytes).digest('hex');

/** A tokenizer whose words are letters. */
const TINY_TOKENIZER = {
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: 'Whitespace' },
  post_processor: null,
  decoder: null,
  model: { type: 'WordLevel', vocab: { a: 0, photo: 1, of: 2, cat: 3, '[UNK]': 4 }, unk_token: '[UNK]' },
};

interface Source {
  url: string;
  requests: { url: string; range: string | undefined; ifRange: string | undefined }[];
  /** Number of bytes after which the connection ends, once. */
  breakAfter: number | undefined;
  /** Whether a connection that would end then stays open silently instead. */
  stalls: boolean;
  /** Awaited before a connection ends: bytes that the client has not read yet would be lost with it. */
  beforeBreak: () => Promise<unknown>;
  /** Whether the source always sends the whole file. */
  ignoresRanges: boolean;
  etag: string | undefined;
  body: Buffer;
  close(): Promise<void>;
}

async function startSource(): Promise<Source> {
  const source: Omit<Source, 'url' | 'close'> = {
    requests: [],
    breakAfter: undefined,
    stalls: false,
    beforeBreak: async () => undefined,
    ignoresRanges: false,
    etag: undefined,
    body: bytes,
  };
  const server = http.createServer((request, response) => {
    const { range, 'if-range': ifRange } = request.headers;
    source.requests.push({ url: request.url ?? '', range, ifRange: ifRange as string | undefined });
    const { body, etag, ignoresRanges } = source;
    const whole = ignoresRanges || (ifRange !== undefined && ifRange !== etag);
    const from = whole ? 0 : Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': body.length - from,
      ...(etag !== undefined && { etag }),
      ...(from > 0 && { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` }),
    });
    const cut = source.breakAfter;
    source.breakAfter = undefined;
    if (cut === undefined) response.end(body.subarray(from));
    else
      response.write(body.subarray(from, cut), () => {
        if (!source.stalls) void source.beforeBreak().then(() => response.socket?.end());
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(source, {
    url: `http://127.0.0.1:${port}/model.onnx`,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  });
}

describe('the model store', () => {
  let dir: TempDir;
  let source: Source;
  let manifest: ModelManifest;
  let store: ModelStore;

  beforeEach(async () => {
    dir = tempDir();
    source = await startSource();
    manifest = modelManifest.parse({
      id: 'test-model',
      role: 'dino_image',
      version: '1',
      file: 'model.onnx',
      urls: [source.url],
      size: bytes.length,
      sha256,
      license: 'MIT',
      source: 'a test',
    });
    store = new ModelStore({ dir: dir.path });
  });
  afterEach(async () => {
    await source.close();
    dir.remove();
  });

  it('downloads a model once, reports progress, and finds it again', async () => {
    const seen: number[] = [];
    const file = await store.pull(manifest, { onProgress: ({ received }) => seen.push(received) });
    expect(fs.readFileSync(file).equals(bytes)).toBe(true);
    expect(seen.at(-1)).toBe(bytes.length);
    expect(await new ModelStore({ dir: dir.path }).pull(manifest)).toBe(file);
    expect(source.requests).toHaveLength(1);
    expect(fs.readdirSync(path.dirname(file))).toEqual(['model.onnx']);
  });

  /** A download that was aborted halfway, as by the end of its process. @returns number of stored bytes */
  const giveUpHalfway = async (): Promise<number> => {
    source.breakAfter = 100_000;
    source.stalls = true;
    const giveUp = new AbortController();
    const onProgress = ({ received }: { received: number }): void => {
      if (received === 100_000) giveUp.abort();
    };
    await expect(store.pull(manifest, { onProgress, signal: giveUp.signal })).rejects.toThrow('aborted');
    source.requests.length = 0;
    return fs.statSync(`${store.target(manifest)}.part`).size;
  };

  it.each(['breaks off', 'stalls'])('requests the rest when a connection %s', async (how) => {
    source.breakAfter = 100_000;
    source.stalls = how === 'stalls';
    const part = `${store.target(manifest)}.part`;
    source.beforeBreak = () =>
      eventually(() => fs.statSync(part, { throwIfNoEntry: false })?.size === 100_000, { what: 'the bytes read' });
    const file = await store.pull(manifest, { stallAfter: 300 });
    expect(source.requests.map(({ range }) => range)).toEqual([undefined, 'bytes=100000-']);
    expect(fs.readFileSync(file).equals(bytes)).toBe(true);
  });

  it('continues where another process stopped', async () => {
    const had = await giveUpHalfway();
    expect(had).toBe(100_000);
    const seen: number[] = [];
    const file = await new ModelStore({ dir: dir.path }).pull(manifest, {
      onProgress: ({ received }) => seen.push(received),
    });
    expect(source.requests.map(({ range }) => range)).toEqual(['bytes=100000-']);
    expect(seen[0]).toBeGreaterThan(had);
    expect(fs.readdirSync(path.dirname(file))).toEqual(['model.onnx']);
  });

  it('starts again if the source does not support ranges', async () => {
    await giveUpHalfway();
    source.ignoresRanges = true;
    const file = await store.pull(manifest);
    expect(fs.readFileSync(file).equals(bytes)).toBe(true);
    expect(source.requests).toHaveLength(1);
  });

  it('starts again if the file of the source has changed', async () => {
    source.etag = '"old"';
    source.body = randomBytes(bytes.length);
    await giveUpHalfway();
    Object.assign(source, { etag: '"new"', body: bytes });
    await store.pull(manifest);
    expect(source.requests).toMatchObject([{ range: 'bytes=100000-', ifRange: '"old"' }]);
  });

  it('starts again if the rest does not match the existing bytes', async () => {
    await giveUpHalfway();
    const part = `${store.target(manifest)}.part`;
    fs.writeFileSync(part, randomBytes(100_000));
    await store.pull(manifest);
    expect(source.requests.map(({ range }) => range)).toEqual(['bytes=100000-', undefined]);
    expect(await store.locate(manifest)).toBe(store.target(manifest));
  });

  it('H11: never keeps wrong bytes, and names the file and where to put it', async () => {
    source.body = randomBytes(bytes.length);
    const error = await store.pull(manifest).catch((e: unknown) => e as Error);
    expect(error).toBeInstanceOf(ModelMissing);
    for (const word of ['model.onnx', sha256, source.url, 'MODELS_DIR', 'models pull test-model', 'another SHA-256'])
      expect((error as Error).message).toContain(word);
    expect(await store.locate(manifest)).toBeUndefined();
    source.body = bytes;
    await store.pull(manifest);
  });

  it('lets two concurrent callers share one download', async () => {
    const files = await Promise.all([store.pull(manifest), new ModelStore({ dir: dir.path }).pull(manifest)]);
    expect(new Set(files).size).toBe(1);
    expect(source.requests).toHaveLength(1);
  });

  it('is not stopped by the lock of a process that died', async () => {
    fs.mkdirSync(path.dirname(store.target(manifest)), { recursive: true });
    fs.writeFileSync(`${store.target(manifest)}.lock`, '999999999');
    await store.pull(manifest);
  });

  it('tries a mirror first', async () => {
    const mirrored = new ModelStore({ dir: dir.path, mirror: new URL('/mirror/', source.url).href });
    await mirrored.pull({ ...manifest, urls: ['http://127.0.0.1:9/none'] });
    expect(source.requests.map(({ url }) => url)).toEqual(['/mirror/test-model/model.onnx']);
  });

  it('finds a file that was put anywhere below by hand, by its hash, and ignores one with other bytes', async () => {
    fs.mkdirSync(path.join(dir.path, 'a/b'), { recursive: true });
    fs.writeFileSync(path.join(dir.path, 'model.onnx'), randomBytes(bytes.length));
    expect(await store.locate(manifest)).toBeUndefined();
    fs.writeFileSync(path.join(dir.path, 'a/b/model.onnx'), bytes);
    expect(await store.locate(manifest)).toBe(path.join(dir.path, 'a/b/model.onnx'));
  });

  it('notices that a file changed after it was verified', async () => {
    const file = path.join(dir.path, 'model.onnx');
    fs.writeFileSync(file, bytes);
    expect(await store.locate(manifest)).toBe(file);
    const damaged = Buffer.from(bytes);
    damaged[5] = (damaged[5] ?? 0) ^ 1;
    fs.writeFileSync(file, damaged);
    fs.utimesSync(file, new Date(), new Date(Date.now() + 5_000));
    expect(await store.locate(manifest)).toBeUndefined();
  });

  it('assigns a role to a file of the user and back', async () => {
    const { file, manifest: given } = makeStandIn(path.join(dir.path, 'mine'), 'dino_image');
    const used = await store.use('dino_image', file, given);
    expect((await store.resolve('dino_image')).path).toBe(file);
    expect((await store.list()).find((row) => row.manifest.id === used.id)).toMatchObject({
      state: 'present',
      serves: ['dino_image'],
    });
    await expect(store.use('dino_image', file, { ...given, id: 'dinov2-vits14' })).rejects.toThrow(
      'belongs to another',
    );
    await store.useKnown('dino_image');
    await expect(store.resolve('dino_image')).rejects.toThrow('dinov2_vits14.onnx');
  });

  describe('a file of the user', () => {
    const choices = () => JSON.parse(fs.readFileSync(path.join(dir.path, 'models.json'), 'utf8')).roles;

    it('moves with the folder of models that contains it', async () => {
      const { file, manifest: given } = makeStandIn(path.join(dir.path, 'old/mine'), 'dino_image');
      await new ModelStore({ dir: path.join(dir.path, 'old') }).use('dino_image', file, given);
      fs.renameSync(path.join(dir.path, 'old'), path.join(dir.path, 'new'));
      const moved = new ModelStore({ dir: path.join(dir.path, 'new') });
      const now = path.join(dir.path, 'new/mine', path.basename(file));
      expect((await moved.resolve('dino_image')).path).toBe(now);
      // The form in which older releases wrote it.
      const kept = path.join(dir.path, 'new/models.json');
      const old = fs.readFileSync(kept, 'utf8').replace(`mine/${path.basename(file)}`, file);
      expect(old).toContain(file);
      fs.writeFileSync(kept, old);
      expect((await moved.resolve('dino_image')).path).toBe(now);
      expect((await moved.list()).find(({ serves }) => serves.includes('dino_image'))).toMatchObject({
        state: 'present',
        path: now,
      });
    });

    it('is found in MODELS_DIR if it was removed from its place, as the advice says', async () => {
      using outside = tempDir();
      const { file, manifest: given } = makeStandIn(outside.path, 'dino_image');
      await store.use('dino_image', file, given);
      expect(choices().dino_image.path).toBe(file);
      const bytesOfIt = fs.readFileSync(file);
      fs.rmSync(file);
      const message = await store.resolve('dino_image').then(String, String);
      expect(message).toContain(`put ${path.basename(file)} (${bytesOfIt.length} bytes`);
      expect(message).toContain('into MODELS_DIR or a folder below it, under this name');
      expect(message).not.toContain('models pull');
      const below = path.join(dir.path, 'below', path.basename(file));
      fs.mkdirSync(path.dirname(below));
      fs.writeFileSync(below, bytesOfIt);
      expect((await store.resolve('dino_image')).path).toBe(below);
    });

    it('brings its tokenizer, which must stay unchanged', async () => {
      const home = path.join(dir.path, 'old');
      const { file, manifest: given } = makeStandIn(home, 'clip_text');
      const tokenizer = path.join(home, 'mine.json');
      fs.writeFileSync(tokenizer, JSON.stringify(TINY_TOKENIZER));
      await new ModelStore({ dir: home }).use('clip_text', file, given, { tokenizer });
      fs.renameSync(home, path.join(dir.path, 'new'));
      const moved = new ModelStore({ dir: path.join(dir.path, 'new') });
      const now = path.join(dir.path, 'new/mine.json');
      expect(await moved.tokenizerOf(await moved.serving('clip_text'))).toBe(now);
      fs.appendFileSync(now, ' ');
      await expect(moved.tokenizerOf(await moved.serving('clip_text'))).rejects.toThrow(/put mine\.json \(\d+ bytes/);
      expect(await moved.verify((await moved.serving('clip_text')).manifest)).toContain('its tokenizer');
    });
  });

  it('reports place and fault of a file with the right name but other bytes', async () => {
    const known = manifestById('dinov2-vits14') as ModelManifest;
    const inside = path.join('a', known.file);
    fs.mkdirSync(path.join(dir.path, 'a'));
    fs.writeFileSync(path.join(dir.path, inside), 'something else');
    const size = `${inside} there is a different file: it has 14 bytes instead of ${known.size}`;
    expect(await store.require(known).then(String, String)).toContain(size);
    expect(await store.verify(known)).toBe(
      `its file is missing: pull it; ${path.join(dir.path, inside)} is a different file: it has 14 bytes instead of ${known.size}`,
    );
    fs.writeFileSync(path.join(dir.path, inside), Buffer.alloc(known.size));
    const hash = createHash('sha256').update(Buffer.alloc(known.size)).digest('hex');
    expect(await store.require(known).then(String, String)).toContain(
      `a different file: its SHA-256 is ${hash} instead of ${known.sha256}`,
    );
  });

  it('reports a folder that is not writable as the reason for a missing model', async () => {
    const inTheWay = path.join(dir.path, 'file');
    fs.writeFileSync(inTheWay, '');
    const blocked = new ModelStore({ dir: path.join(inTheWay, 'models') });
    const error = await blocked.pull(manifest).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ModelMissing);
    expect((error as Error).message).toMatch(/; MODELS_DIR cannot be written \(ENOTDIR\): a file is in the way/);
    const { file, manifest: given } = makeStandIn(path.join(dir.path, 'mine'), 'dino_image');
    await expect(blocked.use('dino_image', file, given)).rejects.toThrow(/^MODELS_DIR cannot be written/);
    const denied = Object.assign(new Error("EACCES: permission denied, mkdir '/secret'"), { code: 'EACCES' });
    vi.spyOn(fs.promises, 'mkdir').mockRejectedValueOnce(denied);
    const refused = await store.pull(manifest).then(String, String);
    expect(refused).toContain('MODELS_DIR cannot be written (EACCES): let the user');
    expect(refused).not.toContain('/secret');
  });

  it('adds what the manifest omits, and refuses what it may not contain', async () => {
    const { file, manifest: given } = makeStandIn(path.join(dir.path, 'mine'), 'dino_image');
    const { dimension: _, input: __, output: ___, ...short } = given;
    await store.use('dino_image', file, short);
    expect((await store.serving('dino_image')).manifest).toMatchObject({
      input: 'input',
      output: 'output',
      dimension: 384,
    });
    await store.use('dino_image', file, given);
    await expect(store.use('dino_image', file, { ...given, batch: true })).rejects.toThrow('batch: false');
    await expect(store.use('dino_image', file, { ...short, dimenson: 384 })).rejects.toThrow(
      'dimenson: no such key is known',
    );
    const preprocessing = { ...(given['preprocessing'] as object), color: 'rgb' };
    await expect(store.use('dino_image', file, { ...given, preprocessing })).rejects.toThrow(
      'preprocessing.color: no such key is known',
    );
  });

  describe('an id with its versions stands for one content', () => {
    const rules = (given: Readonly<Record<string, unknown>>, more: object) => ({
      ...given,
      golden: undefined,
      preprocessing: { ...(given['preprocessing'] as object), ...more },
    });

    it('refuses other preprocessing and other bytes under it, whatever has served in between', async () => {
      const { file, manifest: given } = makeStandIn(path.join(dir.path, 'mine'), 'clip_image');
      const changed = rules(given, { mean: [0, 0, 0] });
      const other = makeStandIn(path.join(dir.path, 'mine'), 'clip_image', { failsInTheDark: true });
      await store.use('clip_image', file, given);
      await store.useKnown('clip_image');
      await expect(store.use('clip_image', file, changed)).rejects.toThrow(
        'version "1" and preprocessing_version "1" already stands for a model with other preprocessing',
      );
      await expect(store.use('clip_image', other.file, { ...given, golden: undefined })).rejects.toThrow(
        /already stands for a model with other bytes.*another id, version or preprocessing_version/,
      );
      await store.use('clip_image', file, given);
      await store.use('clip_image', file, { ...changed, preprocessing_version: '2' });
      await store.use('clip_image', other.file, { ...given, golden: undefined, version: '2' });
    });

    it('knows the choices in a file of an older release', async () => {
      installStandIns(dir.path, ['dino_image']);
      const { file, manifest: given } = makeStandIn(path.join(dir.path, 'mine'), 'dino_image');
      await store.useKnown('dino_image');
      await expect(store.use('dino_image', file, rules(given, { colour: 'bgr' }))).rejects.toThrow(
        'already stands for a model with other preprocessing',
      );
      await store.use('dino_image', file, given);
    });

    it('refuses another tokenizer, and preprocessing that the catalogue does not have', async () => {
      const { file, manifest: given } = makeStandIn(path.join(dir.path, 'mine'), 'clip_text');
      const tokenizer = path.join(dir.path, 'a.json');
      fs.writeFileSync(tokenizer, JSON.stringify(TINY_TOKENIZER));
      await store.use('clip_text', file, given, { tokenizer });
      const copy = path.join(dir.path, 'b.json');
      fs.copyFileSync(tokenizer, copy);
      await store.use('clip_text', file, given, { tokenizer: copy });
      fs.appendFileSync(copy, ' ');
      await expect(store.use('clip_text', file, given, { tokenizer: copy })).rejects.toThrow(
        'already stands for a model with another tokenizer',
      );
      await expect(store.use('clip_text', file, given)).rejects.toThrow(
        'already stands for a model with another tokenizer',
      );
      const known = manifestById('dinov2-vits14') as ModelManifest;
      const changed = contentOf(modelManifest.parse(rules(known, { mean: [0, 0, 0] })));
      expect(() => assertOwnName(changed, [contentOf(known)])).toThrow(
        'already stands for a model with other preprocessing',
      );
    });
  });

  it('a chosen model of the catalogue also moves with its folder', async () => {
    const known = manifestById('clip-vit-b32-image-uint8') as ModelManifest;
    fs.mkdirSync(path.join(dir.path, 'a'));
    const file = path.join(dir.path, 'a', known.file);
    fs.writeFileSync(file, '');
    vi.spyOn(store, 'pull').mockResolvedValue(file);
    await store.useKnown('clip_image', known.id);
    const { roles } = JSON.parse(fs.readFileSync(path.join(dir.path, 'models.json'), 'utf8'));
    expect(roles.clip_image.path).toBe(`a/${known.file}`);
    await expect(store.resolve('clip_image')).rejects.toThrow(`models pull ${known.id}`);
  });
});
