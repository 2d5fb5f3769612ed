import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type RevocationFeed, revocationFeed } from '@cl-server/contract';
import { tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../src/logging/logger.js';
import { RemoteKeys } from '../src/tokens/keys.js';
import { RevocationPoll } from '../src/tokens/revocations.js';
import { type TestKey, testKey } from './token-forge.js';

const dir = tempDir();
const logger = silentLogger();
let server: http.Server;
let authUrl: string;
let published: TestKey[];
let feed: RevocationFeed;
let healthy: boolean;
let asked: string[];
let bearers: (string | undefined)[];
let closers: { close(): void }[];
let old: TestKey;
let next: TestKey;

beforeEach(async () => {
  [old, next] = await Promise.all([testKey(), testKey()]);
  published = [old];
  feed = { items: [], last_seq: 0 };
  [healthy, asked, bearers, closers] = [true, [], [], []];
  server = http.createServer((request, response) => {
    asked.push(request.url ?? '');
    bearers.push(request.headers.authorization);
    if (!healthy) return void response.writeHead(500).end('no');
    const body = request.url?.startsWith('/.well-known')
      ? { keys: published.map(({ jwk, kid }) => ({ ...jwk, kid })) }
      : feed;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  authUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  for (const closer of closers) closer.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const opened = async (file?: string): Promise<RemoteKeys> => {
  const keys = new RemoteKeys({ authUrl, logger, file });
  closers.push(keys);
  await keys.start();
  await keys.refresh();
  return keys;
};

describe('keys of the auth service', () => {
  it('are known after the start, and a new one is found at its first token, right after a fetch too', async () => {
    const keys = await opened();
    expect(keys.ready()).toBe(true);
    expect(await keys.get(old.kid)).toBeDefined();
    published = [next, old];
    expect(await keys.get(next.kid)).toBeDefined();
    expect(await keys.get(old.kid)).toBeDefined();
  });

  it('are asked for once, however many forged ids arrive at once', async () => {
    const keys = await opened();
    const before = asked.length;
    const forged = Array.from({ length: 200 }, (_, index) => keys.get(`${index}`.padStart(43, 'x')));
    expect(new Set(await Promise.all(forged))).toEqual(new Set([undefined]));
    expect(asked.length - before).toBe(1);
  });

  it('tell their listeners when one is dropped, not when one is added', async () => {
    const keys = await opened();
    let changes = 0;
    keys.onChange(() => changes++);
    published = [next, old];
    await keys.refresh();
    expect(changes).toBe(0);
    published = [next];
    await keys.refresh();
    expect([changes, await keys.get(old.kid)]).toEqual([1, undefined]);
  });

  it('stay in use while the auth service fails or answers nonsense', async () => {
    const keys = await opened();
    healthy = false;
    expect(await keys.refresh()).toBe(false);
    published = [];
    healthy = true;
    expect(await keys.refresh()).toBe(false);
    expect(await keys.get(old.kid)).toBeDefined();
  });

  it('come from the file until the auth service answers; then the file no longer counts', async () => {
    const file = path.join(dir.path, 'public_key.pem');
    fs.writeFileSync(file, old.publicPem);
    healthy = false;
    const keys = await opened(file);
    expect([keys.ready(), await keys.get(old.kid)]).toEqual([true, expect.anything()]);
    healthy = true;
    published = [next];
    expect(await keys.get(next.kid)).toBeDefined();
    expect(await keys.get(old.kid)).toBeUndefined();
  });

  it('are re-read from a file that was rotated meanwhile', async () => {
    const file = path.join(dir.path, 'rotated.pem');
    fs.writeFileSync(file, old.publicPem);
    healthy = false;
    const keys = await opened(file);
    fs.writeFileSync(file, next.publicPem);
    expect(await keys.get(next.kid)).toBeDefined();
  });

  it('of a damaged file are none', async () => {
    const file = path.join(dir.path, 'damaged.pem');
    fs.writeFileSync(file, '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n');
    healthy = false;
    expect((await opened(file)).ready()).toBe(false);
  });
});

describe('the revocation feed', () => {
  const polled = (file?: string): RevocationPoll => {
    const poll = new RevocationPoll({ authUrl, credential: 'the-secret', logger, file });
    closers.push(poll);
    return poll;
  };

  it('is read on from where it was, with the services’ credential', async () => {
    const poll = polled();
    feed = revocationFeed.parse({ items: [{ seq: 4, user_id: '7', min_version: 3 }], last_seq: 4 });
    await poll.poll();
    expect([poll.minVersion('7'), poll.minVersion('8')]).toEqual([3, 0]);
    feed = { items: [], last_seq: 4 };
    await poll.poll();
    expect(asked).toEqual(['/auth/revocations?since=0&ended_since=0', '/auth/revocations?since=4&ended_since=0']);
    expect(bearers).toEqual(['Bearer the-secret', 'Bearer the-secret']);
    expect(poll.minVersion('7')).toBe(3);
  });

  it('names ended credentials until their last access token has expired, and has a position of its own for them', async () => {
    const poll = polled();
    const until = Date.now() + 60_000;
    const ended = [
      { seq: 3, id: 'long', until },
      { seq: 7, id: 'expired', until: until - 7_200_000 },
    ];
    feed = { items: [], last_seq: 0, ended, last_ended_seq: 7 };
    await poll.poll();
    expect(['long', 'expired', 'other'].map((id) => poll.hasEnded(id))).toEqual([true, false, false]);
    feed = { items: [], last_seq: 0, ended: [], last_ended_seq: 7 };
    await poll.poll();
    expect(asked.at(-1)).toBe('/auth/revocations?since=0&ended_since=7');
    expect(poll.hasEnded('long')).toBe(true);
  });

  it('never takes a cut-off back, and keeps what it knows while the auth service is away', async () => {
    const poll = polled();
    feed = { items: [{ seq: 1, user_id: '7', min_version: 9 }], last_seq: 1 };
    await poll.poll();
    feed = { items: [{ seq: 2, user_id: '7', min_version: 5 }], last_seq: 2 };
    await poll.poll();
    healthy = false;
    await poll.poll();
    expect(poll.minVersion('7')).toBe(9);
  });

  it('is the auth service’s file while that service is away, also where it came later than the last answer', async () => {
    const file = path.join(dir.path, 'revocations.json');
    const write = (text: string): void => fs.writeFileSync(file, text);
    healthy = false;
    write(JSON.stringify({ items: [{ seq: 5, user_id: '7', min_version: 4 }], last_seq: 5, audience_since: 1_000 }));
    const poll = await polled(file).start();
    expect([await poll.isKnown(), poll.minVersion('7'), poll.audienceSince()]).toEqual([true, 4, 1_000]);
    write(JSON.stringify({ items: [{ seq: 6, user_id: '8', min_version: 2 }], last_seq: 6 }));
    await poll.poll();
    expect([poll.minVersion('7'), poll.minVersion('8'), poll.audienceSince()]).toEqual([4, 2, 1_000]);
    healthy = true;
    feed = { items: [], last_seq: 6 };
    await poll.poll();
    expect(asked.at(-1)).toBe('/auth/revocations?since=0&ended_since=0');
  });

  it('of which neither an answer nor a sound file is there is not known, until the next question', async () => {
    healthy = false;
    for (const [name, text] of [
      ['damaged.json', '{"items":[{'],
      ['other.json', '[]'],
      ['none.json', undefined],
    ] as const) {
      const file = path.join(dir.path, name);
      if (text !== undefined) fs.writeFileSync(file, text);
      expect([name, await polled(file).isKnown()]).toEqual([name, false]);
    }
    const poll = polled();
    expect(await poll.isKnown()).toBe(false);
    healthy = true;
    feed = { items: [{ seq: 1, user_id: '7', min_version: 2 }], last_seq: 1 };
    expect([await poll.isKnown(), poll.minVersion('7')]).toEqual([true, 2]);
  });
});
