/** The reference client of the tus protocol, with each of its options. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import type { Entity } from '@cl-server/contract';
import { backends, tempDir } from '@cl-server/testing';
import * as tus from 'tus-js-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStore, type TestStore } from './support/store.js';
import { WRITER } from './support/tokens.js';

// The client's types lack this.
const { FileUrlStorage } = tus as unknown as { FileUrlStorage: new (file: string) => tus.UrlStorage };
const [backend] = backends();
const SIZE = 300_000;

interface Sent {
  readonly status: number;
  readonly body: string;
  readonly entityId: string | undefined;
  /** The requests of the client with their status, e.g. `POST 201`. */
  readonly requests: readonly string[];
}

describe('tus-js-client', () => {
  let store: TestStore;
  const dir = tempDir('cl-tus-');
  beforeAll(async () => {
    if (!backend) throw new Error('no database');
    store = await startStore(backend);
  });
  afterAll(async () => {
    await store.stop();
    dir.remove();
  });

  const start = (bytes: tus.Upload['file'], options: tus.UploadOptions, prepare = async (_upload: tus.Upload) => {}) =>
    new Promise<Sent>((resolve, reject) => {
      const requests: string[] = [];
      const upload = new tus.Upload(bytes, {
        endpoint: `${store.url}/uploads`,
        headers: { authorization: `Bearer ${WRITER}` },
        retryDelays: null,
        onAfterResponse: (request, response) => void requests.push(`${request.getMethod()} ${response.getStatus()}`),
        onError: reject,
        onSuccess: ({ lastResponse }) =>
          resolve({
            status: lastResponse.getStatus(),
            body: lastResponse.getBody(),
            entityId: lastResponse.getHeader('X-Entity-Id'),
            requests,
          }),
        ...options,
      });
      prepare(upload).then(() => upload.start(), reject);
    });
  const kept = async ({ entityId }: Sent): Promise<Buffer> => (await store.get(`/entities/${entityId}/media`)).bytes;

  const once: Record<string, tus.UploadOptions> = {
    'as it comes': {},
    'in chunks': { chunkSize: 70_000 },
    'with the data in the first request': { uploadDataDuringCreation: true },
    'with the first chunk in the first request': { uploadDataDuringCreation: true, chunkSize: 70_000 },
    'with POST in place of PATCH': { overridePatchMethod: true, chunkSize: 70_000 },
    'with request ids': { addRequestId: true },
    'with retries': { retryDelays: [0, 10] },
  };
  it.each(Object.entries(once))('uploads %s', async (_name, options) => {
    const bytes = randomBytes(SIZE);
    const metadata = { filename: 'été "1".bin', label: 'a label', description: 'ø' };
    const sent = await start(bytes, { metadata, ...options });
    expect(JSON.parse(sent.body)).toMatchObject({ id: Number(sent.entityId), label: 'a label', description: 'ø' });
    expect((await kept(sent)).equals(bytes)).toBe(true);
    const again = await start(bytes, options);
    expect([again.status, again.entityId]).toEqual([200, sent.entityId]);
  });

  it.each([false, true])('uploads a stream of unknown length, data during creation: %s', async (during) => {
    const bytes = randomBytes(SIZE);
    const sent = await start(Readable.from([bytes.subarray(0, 100_001), bytes.subarray(100_001)]) as never, {
      uploadLengthDeferred: true,
      uploadDataDuringCreation: during,
      chunkSize: 70_000,
    });
    expect((await kept(sent)).equals(bytes)).toBe(true);
  });

  it.each([true, false])('resumes an upload of an earlier run, and forgets it on success: %s', async (forgets) => {
    const file = path.join(dir.path, `resumed-${forgets}.bin`);
    const bytes = randomBytes(SIZE);
    fs.writeFileSync(file, bytes);
    const options: tus.UploadOptions = {
      chunkSize: 70_000,
      urlStorage: new FileUrlStorage(path.join(dir.path, `urls-${forgets}.json`)),
      storeFingerprintForResuming: true,
      removeFingerprintOnSuccess: forgets,
    };
    await new Promise<void>((resolve, reject) => {
      const upload = new tus.Upload(fs.createReadStream(file) as never, {
        endpoint: `${store.url}/uploads`,
        headers: { authorization: `Bearer ${WRITER}` },
        ...options,
        onError: reject,
        onChunkComplete: (_size, accepted) => {
          if (accepted === 140_000) upload.abort().then(resolve, reject);
        },
      });
      upload.start();
    });
    const resume = (): Promise<Sent> =>
      start(fs.createReadStream(file) as never, options, async (upload) => {
        const [previous] = await upload.findPreviousUploads();
        if (previous) upload.resumeFromPreviousUpload(previous);
      });
    const sent = await resume();
    expect(sent.requests).toEqual(['HEAD 200', 'PATCH 204', 'PATCH 204', 'PATCH 201']);
    expect((await kept(sent)).equals(bytes)).toBe(true);
    const again = await resume();
    // If the client remembers the URL of a finished upload, one request is enough.
    expect([again.requests[0], again.entityId]).toEqual([forgets ? 'POST 201' : 'HEAD 200', sent.entityId]);
    if (!forgets) expect(again.requests).toHaveLength(1);
  });

  it('learns that everything arrived if the last response was lost', async () => {
    const bytes = randomBytes(SIZE);
    let lost = 0;
    const stack = new tus.DefaultHttpStack({});
    const httpStack: tus.HttpStack = {
      getName: () => 'loses the first answer to a PATCH',
      createRequest: (method, url) => {
        const request = stack.createRequest(method, url);
        const send = request.send.bind(request);
        request.send = async (body) => {
          const response = await send(body);
          if (method === 'PATCH' && lost++ === 0) throw new Error('the connection broke off');
          return response;
        };
        return request;
      },
    };
    const sent = await start(bytes, { httpStack, retryDelays: [0] });
    expect(sent.requests).toEqual(['POST 201', 'HEAD 200']);
    expect((await kept(sent)).equals(bytes)).toBe(true);
  });

  it('cancels an upload', async () => {
    const url = await new Promise<string>((resolve, reject) => {
      const upload = new tus.Upload(randomBytes(SIZE), {
        endpoint: `${store.url}/uploads`,
        headers: { authorization: `Bearer ${WRITER}` },
        chunkSize: 70_000,
        onError: reject,
        onChunkComplete: () => void upload.abort(true).then(() => resolve(upload.url ?? ''), reject),
      });
      upload.start();
    });
    const { status } = await store.call('HEAD', new URL(url).pathname, { headers: { 'tus-resumable': '1.0.0' } });
    expect(status).toBe(404);
  });

  it('receives a clear message about what is not supported, and why a file is refused', async () => {
    const bytes = randomBytes(SIZE);
    await expect(start(bytes, { parallelUploads: 2 })).rejects.toThrow(/501.*switch parallel uploads off/s);
    await expect(start(bytes, { metadata: { parent_id: '999999' } })).rejects.toThrow(/422.*does not exist/s);
    await expect(start(Buffer.alloc(0), {})).rejects.toThrow(/422.*The file is empty/s);
    const { items } = (await store.get<{ items: Entity[] }>('/entities?page_size=100')).json;
    expect(items.filter(({ file_size }) => file_size === 0)).toEqual([]);
  });
});
