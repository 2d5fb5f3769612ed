import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { manifestById } from '@cl-server/models';
import { StartupError } from '@cl-server/service-kit';
import { eventually, hasModels, makeStandIn, modelFile, type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { models } from '../../src/commands/models/models.js';
import { progressBar } from '../../src/commands/models/progress-bar.js';

const BIN = path.resolve(import.meta.dirname, '../../bin/cl-server.js');
const YUNET = 'face_detection_yunet_2026may.onnx';

let dir: TempDir;
const closers: (() => Promise<void>)[] = [];
beforeEach(() => {
  dir = tempDir();
});
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
  dir.remove();
});

/** Runs the command in this process. */
async function run(...argv: string[]): Promise<{ code: number; out: string; error: string }> {
  let out = '';
  try {
    await models([...argv, '--models-dir', dir.path], {}, (text) => {
      out += text;
    });
    return { code: 0, out, error: '' };
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    return { code: error.exitCode, out, error: error.message };
  }
}

interface Surroundings {
  readonly env?: Record<string, string>;
  /** Called with the whole output each time that there is more of it. */
  readonly onOutput?: (out: string) => void;
  readonly onStart?: (child: ChildProcess) => void;
}

/** Runs the program. */
function start(
  argv: readonly string[],
  { env = {}, onOutput, onStart }: Surroundings = {},
): Promise<{ code: number; out: string }> {
  const child = spawn(process.execPath, [BIN, 'models', ...argv, '--models-dir', dir.path], {
    env: { PATH: process.env['PATH'], ...env },
  });
  closers.push(async () => void child.kill());
  onStart?.(child);
  let out = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      onOutput?.(out);
    });
  return new Promise((resolve) => child.on('exit', (code) => resolve({ code: code ?? 1, out })));
}

async function listen(server: http.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  );
  return (server.address() as AddressInfo).port;
}

/** A mirror of the face detector that sends the beginning of its answer, and the rest when the test allows it. */
async function mirror(mayGoOn: Promise<unknown> = Promise.resolve()): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const port = await listen(
    http.createServer((request, response) => {
      asked.push(request.url ?? '');
      if (request.url !== `/yunet-2026may/${YUNET}`) return void response.writeHead(404).end();
      const bytes = fs.readFileSync(modelFile(YUNET));
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, 1000));
      void mayGoOn.then(() => response.end(bytes.subarray(1000)));
    }),
  );
  return { url: `http://127.0.0.1:${port}`, asked };
}

it('a pull draws its progress on one line, and clears it at the end', () => {
  const written: string[] = [];
  const bar = progressBar({ write: (text) => written.push(text) }, 'a-model');
  bar.show({ received: 0, total: 3_000_000 });
  bar.show({ received: 1_500_000, total: 3_000_000 }); // too soon to be drawn again
  bar.show({ received: 3_000_000, total: 3_000_000 });
  bar.clear();
  expect(written).toHaveLength(3);
  expect(written[0]).toBe(`\r\x1b[Ka-model ${'░'.repeat(30)} 0.0 MB of 3.0 MB, 0.0 MB/s`);
  expect(written[1]).toContain(`${'█'.repeat(30)} 3.0 MB of 3.0 MB`);
  expect(written[2]).toBe('\r\x1b[K');
});

describe('models', () => {
  it('lists all models with licences, for people and for programs', async () => {
    const { out } = await run();
    expect(out).toMatch(/clip-vit-b32-image +│ missing +│ clip_image +│ 351\.7 MB +│ MIT/);
    const rows = JSON.parse((await run('list', '--json')).out);
    expect(rows.find((row: { id: string }) => row.id === 'auraface-v1')).toMatchObject({
      serves: ['face_embedding'],
      state: 'missing',
      path: null,
      license: 'Apache-2.0',
      dimension: 512,
    });
  });

  it('prints its usage', async () => {
    for (const argv of [['frobnicate'], ['use'], ['use', 'clip_image'], ['path'], ['pull', '--nope']])
      expect(await run(...argv), argv.join(' ')).toMatchObject({
        code: 2,
        error: expect.stringContaining('models pull'),
      });
    expect((await run('--help')).out).toContain('HTTP_PROXY');
    expect(await run('pull', 'nope')).toMatchObject({ code: 2, error: expect.stringContaining('unknown model nope') });
    expect(await run('use', 'nope', 'x')).toMatchObject({
      code: 2,
      error: expect.stringContaining('unknown role nope'),
    });
  });

  it('refuses options that it would ignore, and an unknown model', async () => {
    for (const [argv, error] of [
      [['list', 'clip_image'], 'models list accepts no names'],
      [['pull', '--all', 'clip_image'], 'names or --all, not both'],
      [['use', 'clip_image', '--all'], '--all can be used with models pull and models verify'],
      [['pull', '--manifest', 'x'], '--manifest can be used with models use'],
      [['use', 'clip_image', '--default', '--manifest', 'x'], '--default replaces the model'],
      [
        ['use', 'clip_text', 'clip-vit-b32-text', '--tokenizer', 'x'],
        '--tokenizer needs your own file and its --manifest',
      ],
      [
        ['use', 'dino_image', 'x', '--manifest', 'x', '--tokenizer', 'x'],
        '--tokenizer can be used with clip_text only',
      ],
      [['use', 'clip_image', 'nope'], 'unknown model nope; "cl-server models" lists all models'],
      [['use', 'clip_image', 'dinov2-vits14'], 'model dinov2-vits14 is for dino_image and cannot serve clip_image'],
    ] as const)
      expect(await run(...argv), argv.join(' ')).toMatchObject({ code: 2, error: expect.stringContaining(error) });
  });

  it('says in one sentence what is wrong with a file and what to do', async () => {
    const { file, manifest } = makeStandIn(path.join(dir.path, 'mine'), 'clip_text');
    const described = path.join(dir.path, 'mine.yaml');
    const at = (name: string, content = ''): string => {
      fs.writeFileSync(path.join(dir.path, name), content);
      return path.join(dir.path, name);
    };
    const use = async (model: string, more: object, ...argv: string[]): Promise<string> => {
      fs.writeFileSync(described, JSON.stringify({ ...manifest, ...more }));
      const { code, error } = await run('use', 'clip_text', model, '--manifest', described, ...argv);
      expect(code).toBe(1);
      return error;
    };
    expect(await use(file, { version: 1 })).toBe(
      'the manifest is invalid:\n  version: it must be a text: put it in quotes',
    );
    expect(await use(file, { id: undefined })).toBe('the manifest is invalid:\n  id: it is missing');
    const spaced = at('my model.onnx', 'x');
    expect(await use(spaced, {})).toMatch(/^the file name "my model.onnx" cannot be used: rename it/);
    expect(await use(at('empty.onnx'), {})).toMatch(/empty\.onnx is empty: copy it there again$/);
    expect(await use(path.dirname(file), {})).toMatch(/mine is a folder: name the model file inside it$/);
    for (const [name, content] of [
      ['list.json', '[]'],
      ['text.json', 'no JSON'],
      ['other.json', '{"model":{"type":"WordLevel","vocab":{}}}'],
    ] as const)
      expect(await use(file, {}, '--tokenizer', at(name, content))).toBe(
        `${name} is not a usable tokenizer: name the tokenizer.json that was published with the model`,
      );
    expect(await use(file, {}, '--tokenizer', 'absent.json')).toMatch(
      /^the tokenizer absent\.json cannot be read: name/,
    );
    expect(await use(file, {}, '--tokenizer', dir.path)).toMatch(/is a folder: name the tokenizer\.json/);
    const preprocessing = { ...(manifest['preprocessing'] as object), tokenizer: 'siglip-tokenizer' };
    expect(await use(file, { preprocessing })).toMatch(
      /siglip-tokenizer is not known \(clip-tokenizer is\): give the model's own tokenizer\.json with --tokenizer$/,
    );
    expect(await run('use', 'clip_text', file, '--manifest', 'absent.yaml')).toMatchObject({
      error: 'absent.yaml cannot be read: the file does not exist',
    });
    expect(fs.existsSync(path.join(dir.path, 'models.json'))).toBe(false);
  });

  it('assigns the user’s own file, described in YAML, to a role, and returns to the default', async () => {
    const { file, manifest } = makeStandIn(path.join(dir.path, 'mine'), 'dino_image');
    const described = path.join(dir.path, 'mine.yaml');
    fs.writeFileSync(described, `# a model of mine\n${JSON.stringify({ ...manifest, license: 'CC0-1.0' }, null, 2)}`);
    expect(await run('use', 'dino_image', file)).toMatchObject({ code: 2, error: expect.stringContaining('manifest') });
    expect((await run('use', 'dino_image', file, '--manifest', described)).out).toContain(
      'dino_image is served by stand-in-dino-image (version 1, licence CC0-1.0)',
    );
    expect((await run('path', 'dino_image')).out).toBe(`${file}\n`);
    expect((await run('verify', 'dino_image')).out).toContain('self-test passed');
    fs.appendFileSync(file, 'x');
    expect(await run('verify', 'dino_image', '--json')).toMatchObject({
      code: 1,
      error: 'not usable: stand-in-dino-image',
    });
    expect((await run('use', 'dino_image', '--default', '--json')).out).toContain('"id": "dinov2-vits14"');
    expect(await run('path', 'dino_image')).toMatchObject({
      code: 1,
      error: expect.stringContaining('dinov2_vits14.onnx'),
    });
  });

  it('refuses an unsuitable manifest, names the reason, and changes nothing', async () => {
    const { file, manifest } = makeStandIn(path.join(dir.path, 'mine'), 'dino_image');
    const described = path.join(dir.path, 'mine.json');
    const use = (more: object) => {
      fs.writeFileSync(described, JSON.stringify({ ...manifest, ...more }));
      return run('use', 'dino_image', file, '--manifest', described);
    };
    expect((await use({ id: 'Not an id', dimension: -1 })).error).toMatch(/id: .*\n.*dimension: /);
    expect((await use({ dimension: 7 })).error).toContain('384 numbers instead of 7');
    expect((await use({ preprocessing: undefined })).error).toContain('for dino_image it must be of kind image');
    expect((await run('use', 'dino_image', 'absent.onnx', '--manifest', described)).error).toMatch(
      /^absent\.onnx cannot be read/,
    );
    expect((await use({ sha256: '0'.repeat(64) })).error).toContain('SHA-256 differ');
    fs.writeFileSync(described, '- a list');
    expect((await run('use', 'dino_image', file, '--manifest', described)).error).toContain('is not a manifest');
    expect(fs.existsSync(path.join(dir.path, 'models.json'))).toBe(false);
  });

  it('names the source and the place of each unavailable model', async () => {
    const refusing = http.createServer();
    refusing.on('connect', (_request, socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'));
    const port = await listen(refusing);
    const proxy = `http://127.0.0.1:${port}`;
    const { code, out } = await start(['pull', 'clip_image', 'dino_image'], { env: { HTTPS_PROXY: proxy } });
    expect(code).toBe(1);
    for (const id of ['clip-vit-b32-image', 'dinov2-vits14']) {
      const manifest = manifestById(id);
      expect(out).toContain(
        `is missing: run "cl-server models pull ${id}", or put ${manifest?.file} from ${manifest?.urls[0]} (` +
          `${manifest?.size} bytes, SHA-256 ${manifest?.sha256}, ${manifest?.source}, licence ${manifest?.license}) into ${dir.path}; the last attempt failed: `,
      );
    }
    expect(await run('verify', 'dino_image')).toMatchObject({
      code: 1,
      out: expect.stringMatching(/dinov2-vits14 +│ BAD +│ its file is missing: pull it +│/),
    });
  });

  it('stops a download at once on Ctrl-C; the downloaded part stays, the lock is released', async () => {
    const port = await listen(
      http.createServer((_, response) => {
        response.writeHead(200, { 'content-length': manifestById('yunet-2026may')?.size });
        response.write(Buffer.alloc(1000)); // no further byte follows
      }),
    );
    const part = path.join(dir.path, 'yunet-2026may', `${YUNET}.part`);
    let press: () => void = () => undefined;
    const ended = start(['pull', 'yunet-2026may', 'auraface-v1', '--models-mirror', `http://127.0.0.1:${port}`], {
      onStart: (child) => {
        press = () => void child.kill('SIGINT');
      },
    });
    await eventually(() => fs.existsSync(part) && fs.statSync(part).size === 1000, { what: 'the first bytes' });
    press();
    expect(await ended).toMatchObject({ code: 130, out: expect.stringContaining('cl-server: interrupted; ') });
    expect(fs.readdirSync(path.dirname(part))).toEqual([path.basename(part)]);
    expect(fs.statSync(part).size).toBe(1000);
  });

  describe.runIf(hasModels())('pull', () => {
    it('downloads once for two simultaneous processes, from a mirror', async () => {
      let meet = (): void => undefined;
      const oneWaits = new Promise<void>((resolve) => {
        meet = resolve;
      });
      const onOutput = (out: string): void => {
        if (out.includes('waiting for another process')) meet();
      };
      const { url, asked } = await mirror(oneWaits);
      const argv = ['pull', 'yunet-2026may', '--models-mirror', url];
      const [a, b] = await Promise.all([start(argv, { onOutput }), start(argv, { onOutput })]);
      expect([a.code, b.code, a.out + b.out]).toEqual([0, 0, expect.stringContaining('verified')]);
      expect(asked).toHaveLength(1);
      const file = path.join(dir.path, 'yunet-2026may', YUNET);
      expect(fs.readFileSync(file).equals(fs.readFileSync(modelFile(YUNET)))).toBe(true);
      expect(fs.readdirSync(path.dirname(file))).toEqual([YUNET]);
      expect((await run('verify', 'face_detection')).code).toBe(0);
    });

    it('downloads through a proxy', async () => {
      const { url } = await mirror();
      const tunnels: string[] = [];
      const proxy = http.createServer();
      proxy.on('connect', (request, socket, head) => {
        tunnels.push(request.url ?? '');
        const [host, port] = (request.url ?? '').split(':');
        const target = net.connect(Number(port), host, () => {
          socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
          target.write(head);
          socket.pipe(target).pipe(socket);
        });
        for (const end of [socket, target]) end.on('error', () => target.destroy());
      });
      const port = await listen(proxy);
      const { code } = await start(['pull', 'yunet-2026may', '--models-mirror', url], {
        env: { HTTP_PROXY: `http://127.0.0.1:${port}` },
      });
      expect([code, tunnels]).toEqual([0, [new URL(url).host]]);
    });
  });
});
