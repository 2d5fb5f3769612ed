/** Files that are made to block their reader: the store still serves others, and the resources for one file are limited. */
import fs from 'node:fs';
import path from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { sharp } from '@cl-server/media';
import { silentLogger } from '@cl-server/service-kit';
import { eventually, memoryOf, observe, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MediaProcesses } from '../src/media/reading.js';
import { forkStore, isBuilt, killStore, type StoreProcess } from './support/process.js';
import type { StoreClient } from './support/store.js';

const dir = tempDir('cl-hostile-media-');
afterAll(() => dir.remove());

/** An 8-bit run-length bitmap of 16 × 16 pixels, and far more runs than it needs. */
function bitmap(megabytes: number, width = 16): Buffer {
  const head = Buffer.alloc(54 + 1024);
  head.write('BM');
  head.writeUInt32LE(head.length, 10);
  head.writeUInt32LE(40, 14);
  head.writeInt32LE(width, 18);
  head.writeInt32LE(width, 22);
  head.writeUInt16LE(1, 26);
  head.writeUInt16LE(8, 28);
  head.writeUInt32LE(1, 30);
  return Buffer.concat([head, Buffer.alloc(Math.max(megabytes << 20, 100), Buffer.from([255, 1]))]);
}

/** A small PNG with chunks of any content in front of its pixels; the type of each comes first. */
async function pngWith(chunks: readonly Buffer[]): Promise<Buffer> {
  const plain = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#888' } })
    .png()
    .toBuffer();
  const framed = chunks.map((named) => {
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(named.length - 4);
    sum.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, sum]);
  });
  return Buffer.concat([plain.subarray(0, 33), ...framed, plain.subarray(33)]);
}

/** A PNG of some kilobytes whose texts are 400 MB. */
function textBomb(): Promise<Buffer> {
  const deflated = deflateSync(Buffer.alloc(40 << 20, 97));
  return pngWith(Array.from({ length: 10 }, (_, n) => Buffer.concat([Buffer.from(`zTXtK${n}\0\0`), deflated])));
}

/** A PNG of 3 MB with as many texts as fit. */
const manyTexts = (): Promise<Buffer> => pngWith(Array(190_000).fill(Buffer.from('tEXtk\0v')));

/** The ids of the processes that a process started. */
const childrenOf = (pid: number): number[] =>
  fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return fs.readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(pid);
      } catch {
        return false; // It has ended.
      }
    })
    .map(Number);

describe.runIf(isBuilt && process.platform === 'linux')('a store that is sent hostile files', () => {
  let store: StoreProcess;
  let client: StoreClient;
  beforeAll(async () => {
    store = await forkStore(path.join(dir.path, 'data'));
    ({ client } = store);
  });
  afterAll(async () => {
    if (store.child.signalCode === null) await killStore(store.child);
  });

  /** Longest time in which the store did not answer, and how much its own process grew. */
  const during = async (work: () => Promise<void>): Promise<{ silent: number; grew: number }> => {
    const pid = Number(store.child.pid);
    const before = memoryOf(pid);
    const { silence, memory } = await observe({ url: client.url, pid }, work);
    return { silent: silence, grew: memory - before };
  };

  it('serves other requests, limits its memory, and reports the fault of each file', async () => {
    const files = [
      ['runs.bmp', bitmap(40)],
      ['large.bmp', bitmap(0, 12_000)],
      ['texts.png', await textBomb()],
      ['many-texts.png', await manyTexts()],
      ['canvas.gif', Buffer.from('474946383961ffffffff800000000000ffffff2c00000000ffffffff0002024401003b', 'hex')],
    ] as const;
    const told: unknown[] = [];
    const { silent, grew } = await during(async () => {
      for (const [name, bytes] of files) {
        const { status, json } = await client.upload(bytes, name);
        const preview = await client.get<{ detail: string }>(`/entities/${json.id}/preview`);
        told.push([name, status, preview.status]);
        expect(preview.json.detail).toMatch(/^Failed to generate preview: /);
      }
    });
    expect(told).toEqual(files.map(([name]) => [name, 201, 422]));
    // On the event loop, reading the runs took a minute.
    expect(silent).toBeLessThan(1_000);
    // This is room for the buffers of the uploads; the pictures would need 560 MB, the texts 400 MB.
    expect(grew).toBeLessThan(150);
  });

  it('a process that ends over a file takes no other file along, and none is left after the store', async () => {
    const readers = (): number[] => childrenOf(Number(store.child.pid));
    const [reader] = readers();
    if (reader === undefined) throw new Error('no process reads files');
    process.kill(reader, 'SIGKILL');
    const picture = await sharp({ create: { width: 40, height: 20, channels: 3, background: '#123' } })
      .png()
      .toBuffer();
    const { status, json } = await client.upload(picture, 'fine.png');
    expect([status, json.width]).toEqual([201, 40]);
    expect((await client.get(`/entities/${json.id}/preview`)).status).toBe(200);
    const left = readers();
    await killStore(store.child);
    await eventually(() => left.every((pid) => !fs.existsSync(`/proc/${pid}`)), { what: 'the end of the readers' });
  });
});

describe.runIf(isBuilt)('the processes that read files', () => {
  const open = () => new MediaProcesses({ maxPixels: 1_000_000, logger: silentLogger() });

  it('refuse more previews than may wait, with a time to come back, and still read what is uploaded', async () => {
    const reading = open();
    const picture = path.join(dir.path, 'p.png');
    fs.writeFileSync(
      picture,
      await sharp({ create: { width: 900, height: 900, channels: 3, background: '#456' } })
        .png()
        .toBuffer(),
    );
    const target = (n: number) => path.join(dir.path, `preview-${n}.png`);
    const asked = Array.from({ length: 100 }, (_, n) =>
      Promise.resolve().then(() => reading.preview({ file: picture, type: 'image', target: target(n) })),
    );
    const facts = reading.facts(picture);
    const ended = Promise.allSettled(asked);
    expect(await facts).toMatchObject({ width: 900, height: 900, mime_type: 'image/png' });
    const outcomes = await ended;
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    expect(refused).toHaveLength(100 - 64 - 2);
    for (const reason of refused) expect(reason).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    await reading.close();
  });

  it.runIf(process.platform === 'linux')(
    'read a file once more if their process ends, and report a file that ends two of them',
    async () => {
      const picture = path.join(dir.path, 'q.png');
      fs.writeFileSync(
        picture,
        await sharp({ create: { width: 40, height: 20, channels: 3, background: '#456' } })
          .png()
          .toBuffer(),
      );
      const before = new Set(childrenOf(process.pid));
      const others = (): number[] => childrenOf(process.pid).filter((pid) => !before.has(pid));
      /** Waits for a process that has not been seen before. */
      const next = async (): Promise<number> => {
        await eventually(() => others().length > 0, { what: 'a process that reads', every: 2 });
        const [pid = 0] = others();
        before.add(pid);
        return pid;
      };
      const reading = open();
      try {
        expect(await reading.facts(picture)).toMatchObject({ width: 40 });
        const first = await next();
        // It is stopped, so that it surely ends over the file, and not before or after it.
        process.kill(first, 'SIGSTOP');
        const repeated = reading.facts(picture);
        process.kill(first, 'SIGKILL');
        expect(await repeated).toMatchObject({ width: 40, metadata_error: null });
        const second = await next();
        process.kill(second, 'SIGSTOP');
        const failed = reading.facts(picture);
        process.kill(second, 'SIGKILL');
        process.kill(await next(), 'SIGKILL');
        const remark = 'The file cannot be read: the process that read it crashed';
        expect(await failed).toMatchObject({ width: null, mime_type: 'image/png', metadata_error: remark });
      } finally {
        await reading.close();
      }
    },
  );
});
