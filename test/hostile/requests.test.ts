/** Connections that are slow or idle, and requests in numbers or shapes that no client has, sent to the real services. */
import http from 'node:http';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { descriptorsOf, eventually, filesIn } from '@cl-server/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Service } from '../authorisation-table.js';
import { ADMIN_PASSWORD, Programs } from '../support/programs.js';
import { withinBounds } from './support/attack.js';
import { END_OF_PARTS, MULTIPART, part, RawClient } from './support/raw-client.js';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' } as const;

let programs: Programs;
let token: string;
let entity: string;
const SIZE = 5_000_000;
beforeAll(async () => {
  programs = await Programs.start({ execArgv: ['--max-old-space-size=512'] });
  token = await programs.login('admin', ADMIN_PASSWORD);
  const form = new FormData();
  form.append('is_collection', 'false');
  form.append('media_file', new Blob([new Uint8Array(SIZE)]), 'a.bin');
  const answer = await fetch(`${programs.url('store')}/entities`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: form,
  });
  expect(answer.status).toBe(201);
  entity = `/entities/${((await answer.json()) as { id: number }).id}`;
  // Files and connections that the first requests open permanently must exist before an attack.
  await Promise.all(Array.from({ length: 20 }, () => statusOf('/entities?page=2')));
});
afterAll(() => programs.stop());

const authorization = () => ({ authorization: `Bearer ${token}` });

/** Attacks a service. Others get answers meanwhile, and nothing is left after `within` milliseconds. */
async function attack(name: Service, work: () => Promise<unknown>, within = 30_000): Promise<void> {
  const pid = programs.pid(name);
  const descriptorsBefore = descriptorsOf(pid);
  await withinBounds(programs, name, work);
  await eventually(() => descriptorsOf(pid) <= descriptorsBefore + 4, { what: 'everything closed', within });
  const folders = ['media', 'compute'].map((folder) => path.join(programs.dataDir, folder));
  expect(folders.flatMap((folder) => filesIn(folder, /\.part$/))).toEqual([]);
}

/** Sends a request to the store on a connection that ends with the answer, and does not read the answer. */
const statusOf = (where: string, headers: Record<string, string> = authorization(), method = 'GET'): Promise<number> =>
  new Promise((resolve, reject) => {
    const request = http.request(`${programs.url('store')}${where}`, { agent: false, headers, method }, (answer) => {
      resolve(answer.statusCode ?? 0);
      request.destroy();
    });
    request.on('error', reject).end();
  });

/** Logs in on a separate connection, because a kept one may be closed to make room for another. */
const logIn = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const options = { agent: false, method: 'POST', headers: FORM };
    http
      .request(`${programs.url('auth')}/auth/token`, options, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
      })
      .on('error', reject)
      .end(new URLSearchParams({ username: 'admin', password: ADMIN_PASSWORD }).toString());
  });

const connectMany = (name: Service, count: number): Promise<RawClient[]> =>
  Promise.all(Array.from({ length: count }, () => RawClient.connect(programs.port(name))));

it('slow heads, slow bodies and idle connections keep nobody out, and are closed after their deadline', async () => {
  await attack('auth', async () => {
    const idle = await connectMany('auth', 1_500);
    const heads = await connectMany('auth', 250);
    const bodies = await connectMany('auth', 250);
    for (const client of heads) await client.write('POST /auth/token HTTP/1.1\r\nhost: localhost\r\n');
    for (const client of bodies) client.head('POST /auth/token', { ...FORM, 'content-length': '16000' });
    const end = performance.now() + 22_000;
    while (performance.now() < end && [...heads, ...bodies].some(({ isOpen }) => isOpen)) {
      for (const client of heads) if (client.isOpen) await client.write('x: y\r\n');
      for (const client of bodies) if (client.isOpen) await client.write('x');
      expect(await logIn()).toBe(200);
      await pause(1_000);
    }
    // Beyond the limit, idle connections make room.
    const more = await connectMany('auth', 700);
    expect(await logIn()).toBe(200);
    await eventually(() => [...heads, ...bodies].every(({ isOpen }) => !isOpen), { within: 20_000, every: 200 });
    const statuses = new Set([...heads, ...bodies].map(({ status }) => status));
    expect([...statuses].filter((status) => status !== 408 && status !== 0)).toEqual([]);
    expect(idle.filter(({ isOpen }) => !isOpen).length).toBeGreaterThan(0);
    for (const client of [...idle, ...more]) client.leave();
  });
}, 120_000);

it.each([
  [
    'ten thousand requests on one connection, without reading the answers',
    async () => {
      const client = await RawClient.connect(programs.port('store'));
      client.pause();
      const one = `GET ${entity} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n\r\n`;
      await client.write(one.repeat(10_000), 2_000);
      await pause(500);
      client.leave();
    },
  ],
  [
    'a thousand uploads that wait for "100 Continue" and then send nothing',
    async () => {
      const clients = await connectMany('store', 1_000);
      const body = { ...MULTIPART, ...authorization(), expect: '100-continue', 'content-length': '20000000' };
      for (const client of clients) client.head('POST /entities', body);
      await eventually(() => clients.every(({ answer, isOpen }) => answer !== '' || !isOpen), { within: 20_000 });
      for (const client of clients) client.leave();
    },
  ],
  [
    'floods of HEAD, OPTIONS and unknown methods',
    async () => {
      const requests = ['HEAD /', 'OPTIONS /entities', 'HEAD /entities', 'TRACE /entities', 'PROPFIND /'];
      const clients = await connectMany('store', 100);
      const end = performance.now() + 3_000;
      while (performance.now() < end) {
        for (const [index, client] of clients.entries())
          if (client.isOpen) client.head(String(requests[index % requests.length]), authorization());
          else clients[index] = await RawClient.connect(programs.port('store'));
        await pause(5);
      }
      for (const client of clients) client.leave();
    },
  ],
  [
    'a file in a thousand ranges, a hundred times',
    async () => {
      const ranges = Array.from({ length: 1_000 }, (_, index) => `${index * 2}-${SIZE - 1}`).join(',');
      const statuses = await Promise.all(
        Array.from({ length: 100 }, () =>
          statusOf(`${entity}/media`, { ...authorization(), range: `bytes=${ranges}` }),
        ),
      );
      expect(statuses.filter((status) => ![200, 206, 416].includes(status))).toEqual([]);
    },
  ],
  [
    'queries of as many parameters as a head can hold',
    async () => {
      const queries = ['a=&'.repeat(4_000), 'page=1&'.repeat(2_000), `${'a[b]'.repeat(2_000)}=1`, '%25'.repeat(4_000)];
      await Promise.all(
        Array.from({ length: 200 }, async (_, index) => {
          const query = String(queries[index % queries.length]);
          expect([200, 400, 414, 422, 431]).toContain(await statusOf(`/entities?${query}`));
        }),
      );
    },
  ],
  [
    'signed links in thousands, and guesses at signatures',
    async () => {
      for (let round = 0; round < 5; round++)
        await Promise.all(
          Array.from({ length: 50 }, async (_, index) => {
            expect(await statusOf(`${entity}/signed-urls`, authorization(), 'POST')).toBe(200);
            const guess = `expires=9999999999999&signer=1.0&signature=${'A'.repeat(index * 100)}`;
            expect(await statusOf(`${entity}/media?${guess}`, {})).toBe(401);
          }),
        );
    },
  ],
] as const)(
  '%s',
  async (_what, work) => {
    await attack('store', work);
  },
  90_000,
);

it.each([
  ['parts without end', () => Buffer.concat(Array(40_000).fill(part('a', '')))],
  ['a part whose head is endless', () => Buffer.from(`--x\r\n${'x-y: z\r\n'.repeat(200_000)}\r\n`)],
  ['a field of endless JSON depth', () => part('params', '['.repeat(60_000))],
  ['a field of a megabyte', () => part('text', 'x'.repeat(1 << 20))],
  ['names of parts that are long', () => Buffer.concat(Array(500).fill(part('n'.repeat(7_000), '')))],
])(
  '%s, at once from many, in a form for a job',
  async (_what, shape) => {
    const body = Buffer.concat([shape(), Buffer.from(END_OF_PARTS)]);
    await attack('compute', async () => {
      const statuses = await Promise.all(
        Array.from({ length: 30 }, async () => {
          const client = await RawClient.connect(programs.port('compute'));
          const head = { ...MULTIPART, ...authorization(), 'content-length': String(body.length) };
          client.head('POST /jobs/clip_text_embedding', head);
          await client.write(body);
          await eventually(() => client.status !== 0 || !client.isOpen, { within: 20_000 });
          client.leave();
          return client.status;
        }),
      );
      expect(statuses.filter((status) => status < 400 || status >= 500)).toEqual([]);
    });
  },
  60_000,
);

it('a user who opens event streams without end is refused when there are too many, and leaves nothing open', async () => {
  const job = await programs.ask('compute', 'POST /jobs/clip_text_embedding', token, { text: 'waits' });
  await attack('compute', async () => {
    const clients = await connectMany('compute', 500);
    for (const client of clients) client.head(`GET /jobs/${job.json.job_id}/events`, authorization());
    await eventually(() => clients.every(({ status }) => status !== 0), { within: 20_000 });
    expect(clients.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(50);
    expect(new Set(clients.map(({ status }) => status))).toEqual(new Set([200, 429]));
    for (const client of clients) client.leave();
  });
}, 60_000);
