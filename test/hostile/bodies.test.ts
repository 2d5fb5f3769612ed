/** Bodies that would fill memory, disk, descriptors or the event loop, sent to the real services with small heaps. */
import path from 'node:path';
import { descriptorsOf, eventually, filesIn } from '@cl-server/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Service } from '../authorisation-table.js';
import { ADMIN_PASSWORD, Programs } from '../support/programs.js';
import { withinBounds } from './support/attack.js';
import { END_OF_PARTS, MULTIPART, part, RawClient } from './support/raw-client.js';

let programs: Programs;
let token: string;
beforeAll(async () => {
  programs = await Programs.start({ execArgv: ['--max-old-space-size=512'] });
  token = await programs.login('admin', ADMIN_PASSWORD);
});
afterAll(() => programs.stop());

const authorization = () => ({ authorization: `Bearer ${token}` });

const attack = (name: Service, work: () => Promise<unknown>): Promise<void> => withinBounds(programs, name, work);

const MEGABYTE = Buffer.alloc(1 << 20, 97);

it.each([
  ['auth', 'POST /auth/token'],
  ['store', 'POST /entities'],
  ['compute', 'POST /jobs/hash'],
] as const)('%s reads no more of a form of endless fields than %s takes', async (name, request) => {
  const flood = async (): Promise<number> => {
    const client = await RawClient.connect(programs.port(name));
    client.head(request, { ...MULTIPART, ...authorization(), 'transfer-encoding': 'chunked' });
    for (let i = 0; i < 30 && client.isOpen; i++) await client.chunk(part(`f${i}`, MEGABYTE));
    await eventually(() => client.status !== 0);
    client.leave();
    return client.status;
  };
  await attack(name, async () => {
    expect(await Promise.all(Array.from({ length: 6 }, flood))).toEqual(Array(6).fill(413));
  });
});

it('a hundred incomplete forms take a limited amount of memory, and others can log in meanwhile', async () => {
  await attack('auth', async () => {
    const clients = await Promise.all(Array.from({ length: 100 }, () => RawClient.connect(programs.port('auth'))));
    for (const client of clients) {
      client.head('POST /auth/token', { ...MULTIPART, 'content-length': '60000' });
      await client.write(part('password', 'x'.repeat(16_000)));
    }
    expect(await programs.login('admin', ADMIN_PASSWORD)).toBeTruthy();
    for (const client of clients) client.leave();
  });
});

it('interrupted uploads leave no file and no descriptor at any endpoint', async () => {
  const { json: one } = await programs.ask('store', 'POST /entities', token, { is_collection: 'true', label: 'one' });
  const endpoints = [
    ['store', 'POST /entities', 'media_file'],
    ['store', `PUT /entities/${one.id}`, 'image'],
    ['store', 'POST /intelligence/search', 'file'],
    ['store', 'POST /jobs/hash', 'file'],
    ['compute', 'POST /jobs/hash', 'file'],
    ['compute', 'POST /compute/jobs/media_thumbnail', 'file'],
  ] as const;
  const folders = ['media', 'compute'].map((folder) => path.join(programs.dataDir, folder));
  const partial = () => folders.flatMap((folder) => filesIn(folder, /\.part$/));
  const descriptors = () => descriptorsOf(programs.pid('store')) + descriptorsOf(programs.pid('compute'));
  const before = descriptors();
  const ends: readonly ((client: RawClient) => unknown)[] = [
    (client) => client.leave(),
    (client) => client.end(),
    // The rest is no longer a multipart body, or is a text in place of the file.
    (client) => client.write(`\r\n--x\r\n\r\n\r\n${END_OF_PARTS}`).then(() => client.end()),
    (client) => client.write(`\r\n${part('media_file', 'text').toString()}`).then(() => client.leave()),
  ];
  let seen = 0;
  for (const end of ends)
    await Promise.all(
      endpoints.map(async ([name, request, field]) => {
        const client = await RawClient.connect(programs.port(name));
        client.head(request, { ...MULTIPART, ...authorization(), 'content-length': '20000000' });
        await client.write(part(field, MEGABYTE, 'a.jpg').subarray(0, -2));
        await eventually(() => partial().length > 0 || client.status !== 0, { what: 'the first bytes' });
        seen = Math.max(seen, partial().length);
        await end(client);
        await client.closed(3_000);
        client.leave();
      }),
    );
  expect(seen).toBeGreaterThan(0);
  await eventually(() => partial().length === 0 && descriptors() <= before + 4, {
    what: 'everything closed',
    within: 30_000,
  });
});

it('long names and heads of parts, and deep JSON, do not delay others', async () => {
  const shapes = [
    `x${' '.repeat(75_000)}y`,
    '.'.repeat(75_000),
    `${'a.'.repeat(37_000)}`,
    `${'- '.repeat(37_000)}`,
    '%'.repeat(75_000),
    '\u200b'.repeat(25_000),
  ];
  const send = async (
    name: Service,
    request: string,
    headers: Record<string, string>,
    body: Buffer,
  ): Promise<number> => {
    const client = await RawClient.connect(programs.port(name));
    client.head(request, { ...authorization(), ...headers, 'content-length': String(body.length) });
    await client.write(body);
    await eventually(() => client.status !== 0);
    client.leave();
    return client.status;
  };
  await attack('store', async () => {
    for (const shape of shapes) {
      const body = Buffer.concat([
        part('is_collection', 'false'),
        part('media_file', 'abc', shape),
        Buffer.from(END_OF_PARTS),
      ]);
      expect(await send('store', 'POST /entities', MULTIPART, body)).toBe(422);
      const cut = Buffer.concat([
        part('is_collection', 'false'),
        part('media_file', 'abc', shape.slice(0, 1_000)),
        Buffer.from(END_OF_PARTS),
      ]);
      expect(await send('store', 'POST /entities', MULTIPART, cut)).toBeLessThan(300);
    }
  });
  await attack('compute', async () => {
    for (const text of ['['.repeat(1_000_000), `[${'0,'.repeat(500_000)}0]`, `[${'{"a":'.repeat(100_000)}`])
      expect(await send('compute', 'POST /jobs/batch', { 'content-type': 'application/json' }, Buffer.from(text))).toBe(
        400,
      );
  });
});
