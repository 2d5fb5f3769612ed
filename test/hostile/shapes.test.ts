/** Requests in shapes that no usual client sends, many at once: each gets its refusal or its answer, and others are served. */
import { gzipSync } from 'node:zlib';
import { eventually } from '@cl-server/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Service } from '../authorisation-table.js';
import { ADMIN_PASSWORD, Programs } from '../support/programs.js';
import { withinBounds } from './support/attack.js';
import { RawClient } from './support/raw-client.js';

let programs: Programs;
let token: string;
let entity: string;
beforeAll(async () => {
  programs = await Programs.start({ execArgv: ['--max-old-space-size=512'] });
  token = await programs.login('admin', ADMIN_PASSWORD);
  const form = new FormData();
  form.append('is_collection', 'false');
  form.append('media_file', new Blob([new Uint8Array(1_000_000)]), 'a.bin');
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`${programs.url('store')}/entities`, { method: 'POST', headers, body: form });
  expect(answer.status).toBe(201);
  entity = `/entities/${((await answer.json()) as { id: number }).id}`;
});
afterAll(() => programs.stop());

interface Shape {
  readonly request: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** @returns the status of the answer; 0 if the connection was closed without one */
async function send(name: Service, { request, headers = {}, body = '' }: Shape): Promise<number> {
  const client = await RawClient.connect(programs.port(name));
  client.head(request, { authorization: `Bearer ${token}`, ...headers });
  if (body.length > 0) await client.write(body);
  await eventually(() => client.status !== 0 || !client.isOpen, { within: 20_000 });
  client.leave();
  return client.status;
}

const JSON_BODY = { 'content-type': 'application/json' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const withLength = (body: string | Buffer) => ({ 'content-length': String(Buffer.byteLength(body)) });
const post = (request: string, headers: Readonly<Record<string, string>>, body: string | Buffer): Shape => ({
  request,
  headers: { ...headers, ...withLength(body) },
  body,
});
const multipart = (body: string): Shape =>
  post('POST /entities', { 'content-type': 'multipart/form-data; boundary=x' }, body);
const part = (rest: string): string => `--x\r\ncontent-disposition: form-data; ${rest}`;
const patched = (json: string): Shape => post(`PATCH ${entity}`, JSON_BODY, json);
const read = (headers: Readonly<Record<string, string>>): Shape => ({ request: `GET ${entity}/media`, headers });
const tus = (headers: Readonly<Record<string, string>>): Shape => ({
  request: 'POST /uploads',
  headers: { 'tus-resumable': '1.0.0', 'content-length': '0', ...headers },
});
const toStore = (
  all: readonly Readonly<Record<string, string>>[],
  make: (headers: Readonly<Record<string, string>>) => Shape,
) => all.map((headers) => ['store', make(headers)] as const);
/** A body of 200 MB, of which 200 KB are sent. */
const packed = gzipSync(Buffer.alloc(200 << 20));

const CLIENT_ERRORS = [400, 401, 404, 408, 409, 411, 412, 413, 414, 415, 416, 417, 422, 426, 431, 501];
const ANSWERS = [200, 201, 204, 206, 304, ...CLIENT_ERRORS];

it.each<[string, readonly number[], () => readonly (readonly [Service, Shape])[]]>([
  [
    'compressed bodies, which are never unpacked',
    CLIENT_ERRORS,
    () => [
      ['auth', post('POST /auth/token', { ...FORM, 'content-encoding': 'gzip' }, packed)],
      ['store', post('POST /entities', { ...FORM, 'content-encoding': 'gzip' }, packed)],
      ['compute', post('POST /jobs/batch', { ...JSON_BODY, 'content-encoding': 'gzip' }, packed)],
      ['auth', post('POST /auth/token', { ...FORM, 'content-encoding': 'gzip' }, packed.subarray(0, 10_000))],
    ],
  ],
  [
    'lengths that contradict each other, which could hide a second request',
    [400],
    () =>
      toStore(
        [
          { 'content-length': '5', 'transfer-encoding': 'chunked' },
          { 'content-length': '5, 6' },
          { 'content-length': '+5' },
          { 'content-length': '-1' },
          { 'content-length': '99999999999999999999' },
          { 'transfer-encoding': 'chunked, identity' },
          { 'transfer-encoding': 'xchunked' },
        ],
        (headers) => ({ request: 'POST /entities', headers, body: '0\r\n\r\n' }),
      ),
  ],
  [
    'long extensions of chunks, and trailers',
    // The connection may be reset before the answer was read, because bytes were still arriving.
    [0, ...CLIENT_ERRORS],
    () => [
      [
        'auth',
        {
          request: 'POST /auth/token',
          headers: { ...FORM, 'transfer-encoding': 'chunked' },
          body: `1;${'x'.repeat(60_000)}\r\na\r\n`.repeat(100),
        },
      ],
      [
        'auth',
        {
          request: 'POST /auth/token',
          headers: { ...FORM, 'transfer-encoding': 'chunked' },
          body: `1\r\na\r\n0\r\n${`x-a: ${'b'.repeat(1_000)}\r\n`.repeat(500)}\r\n`,
        },
      ],
    ],
  ],
  [
    'JSON of deep, long and poisonous values',
    CLIENT_ERRORS,
    () =>
      [
        `{"label":${'1'.repeat(60_000)}}`,
        `{"label":-0.${'0'.repeat(60_000)}1}`,
        `{"label":${'{"a":'.repeat(10_000)}`,
        '{"label":{"__proto__":{"x":1}}}',
        '{"label":{"constructor":{"prototype":{"x":1}}}}',
        `{"label":"${'\\u0000'.repeat(8_000)}"}`,
      ].map((json) => ['store', patched(json)] as const),
  ],
  [
    'conditions, ranges and preferences of a whole head',
    ANSWERS,
    () =>
      toStore(
        [
          { 'if-none-match': 'W/"a",'.repeat(2_000) },
          { 'if-match': '"'.repeat(12_000) },
          { 'if-modified-since': 'Mon, '.repeat(2_000) },
          { 'if-range': `"${'\\'.repeat(12_000)}` },
          { range: `bytes=${'0-0,'.repeat(3_000)}` },
          { range: `bytes=${'-'.repeat(12_000)}` },
          { range: 'bytes=0-18446744073709551616' },
          { 'accept-encoding': 'gzip;q=0.'.repeat(1_300) },
          { 'accept-language': 'a-'.repeat(6_000) },
          { cookie: 'a=b; '.repeat(2_400) },
          { authorization: `Bearer ${'a.'.repeat(6_000)}` },
          { authorization: `Bearer ${'='.repeat(12_000)}` },
        ],
        (headers) => read(headers),
      ),
  ],
  [
    'upgrades to other protocols, which are ignored',
    ANSWERS,
    () =>
      ['websocket', 'h2c', 'TLS/1.0'].map(
        (upgrade) =>
          [
            'store',
            {
              request: 'GET /entities',
              headers: { connection: 'upgrade', upgrade, 'sec-websocket-version': '13', 'http2-settings': 'AAAA' },
            },
          ] as const,
      ),
  ],
  [
    'multipart bodies with nested, repeated and endless pieces',
    [0, ...CLIENT_ERRORS],
    () =>
      [
        `${part('name="a"')}\r\ncontent-type: multipart/mixed; boundary=y\r\n\r\n${'--y\r\ncontent-disposition: attachment\r\n\r\nq\r\n'.repeat(500)}--y--\r\n--x--\r\n`,
        '--x\r\n'.repeat(10_000),
        `${'\r\n'.repeat(30_000)}--x\r\n`,
        `${part(`name="${'a'.repeat(7_000)}"; filename*=UTF-8''${'%41'.repeat(1_000)}`)}\r\n\r\n\r\n--x--\r\n`,
        `${part(`name="media_file"; filename="a"; filename="b"; ${'x=y; '.repeat(1_200)}`)}\r\n\r\nabc\r\n--x--\r\n`,
      ].map((body) => ['store', multipart(body)] as const),
  ],
  [
    'content types of any text',
    CLIENT_ERRORS,
    () =>
      [
        `multipart/form-data; boundary=${'b'.repeat(5_000)}`,
        'multipart/form-data; boundary=',
        'multipart/form-data; boundary="a',
        `multipart/form-data; ${'a=b; '.repeat(2_300)}boundary=x`,
        ';'.repeat(10_000),
        `application/json; charset=${'x'.repeat(5_000)}`,
        'a/'.repeat(6_000),
      ].map((type) => ['store', post('POST /entities', { 'content-type': type }, 'abc')] as const),
  ],
  [
    'resumable uploads of impossible lengths and names',
    [201, ...CLIENT_ERRORS],
    () =>
      toStore(
        [
          { 'upload-length': '99999999999999999999' },
          { 'upload-length': '-1' },
          { 'upload-length': '1e3' },
          { 'upload-length': '10', 'upload-metadata': `filename ${'A'.repeat(12_000)}` },
          { 'upload-length': '10', 'upload-metadata': 'a QQ==,'.repeat(1_500) },
          { 'upload-length': '10', 'upload-metadata': '__proto__ QQ==' },
          {
            'upload-length': '10',
            'upload-metadata': `filename ${Buffer.from('../../../etc/passwd').toString('base64')}`,
          },
          { 'upload-length': '10', 'upload-concat': 'final;/uploads/a /uploads/b' },
        ],
        (headers) => tus(headers),
      ),
  ],
  [
    'searches and places in lists of any text',
    ANSWERS,
    () =>
      [
        '%',
        '_'.repeat(900),
        '\\'.repeat(900),
        'NEAR('.repeat(150),
        '(('.repeat(400),
        "' or 1=1 --",
        'ﷺ'.repeat(300),
        'İ'.repeat(400),
        'a\u0300'.repeat(400),
      ].flatMap((text) => {
        const query = encodeURIComponent(text);
        return [
          ['store', { request: `GET /entities?search_query=${query}` }],
          ['store', { request: `GET /entities?cursor=${query}` }],
          ['compute', { request: `GET /jobs?q=${query}` }],
          ['auth', { request: `GET /audit?cursor=${query}` }],
        ] as const;
      }),
  ],
])(
  '%s',
  async (_what, allowed, make) => {
    const shapes = make();
    const all = Array.from({ length: 3 }, () => shapes).flat();
    const name = shapes[0]?.[0] ?? 'store';
    await withinBounds(programs, name, async () => {
      const statuses = await Promise.all(
        all.map(async ([service, shape]) => ({ status: await send(service, shape), request: shape })),
      );
      expect(
        statuses
          .filter(({ status }) => !allowed.includes(status))
          .map(({ status, request }) => `${status} ${JSON.stringify(request).slice(0, 200)}`),
      ).toEqual([]);
    });
  },
  60_000,
);
