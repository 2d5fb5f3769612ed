/** Strangers who flood the login or guess at an account, against a real auth process with hashes of the full cost. */
import http from 'node:http';
import { observe } from '@cl-server/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ADMIN_PASSWORD, Programs } from '../support/programs.js';
import { RawClient } from './support/raw-client.js';

let programs: Programs;
/** The milliseconds within which a known user can log in during a flood, and `/livez` answers. */
const LONGEST_LOGIN = 10_000;
const LONGEST_SILENCE = 1_000;
beforeAll(async () => {
  programs = await Programs.start();
  await programs.login('admin', ADMIN_PASSWORD);
});
afterAll(() => programs.stop());

const auth = () => ({ url: programs.url('auth'), pid: programs.pid('auth') });
const formOf = (username: string, password: string): string => new URLSearchParams({ username, password }).toString();

/** Sends one login on a separate connection without waiting for the answer. */
async function begin(username: string): Promise<RawClient> {
  const body = formOf(username, 'wrong-password');
  const client = await RawClient.connect(programs.port('auth'));
  client.head('POST /auth/token', {
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': String(body.length),
    connection: 'close',
  });
  await client.write(body);
  return client;
}

/** Logs in from one of the loopback addresses. @returns the status, and `Retry-After` if present */
const loginFrom = (address: string, username: string, password: string) =>
  new Promise<[status: number | undefined, retryAfter: number | undefined]>((resolve, reject) => {
    const body = formOf(username, password);
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length };
    http
      .request(`${programs.url('auth')}/auth/token`, { method: 'POST', localAddress: address, headers }, (answer) => {
        answer.resume();
        const wait = answer.headers['retry-after'];
        answer.on('end', () => resolve([answer.statusCode, wait === undefined ? undefined : Number(wait)]));
      })
      .on('error', reject)
      .end(body);
  });

async function adminLogsIn(): Promise<{ status: number | undefined; ms: number }> {
  const start = performance.now();
  const [status] = await loginFrom('127.0.0.1', 'admin', ADMIN_PASSWORD);
  return { status, ms: performance.now() - start };
}

it('501 logins whose clients disconnect keep nobody out, and cost nothing afterwards', async () => {
  const { silence, memory } = await observe(auth(), async () => {
    const flood = await Promise.all(Array.from({ length: 501 }, (_, i) => begin(`nobody ${i}`)));
    for (const client of flood) client.leave();
    const { status, ms } = await adminLogsIn();
    expect(status).toBe(200);
    expect(ms).toBeLessThan(LONGEST_LOGIN);
  });
  expect(silence).toBeLessThan(LONGEST_SILENCE);
  expect(memory).toBeLessThan(250);
}, 120_000);

it('501 logins whose clients wait keep no known user out; each gets an answer or a time to try again', async () => {
  const { silence } = await observe(auth(), async () => {
    const flood = await Promise.all(Array.from({ length: 501 }, (_, i) => begin(`nobody ${i}`)));
    const { status, ms } = await adminLogsIn();
    expect(status).toBe(200);
    expect(ms).toBeLessThan(LONGEST_LOGIN);
    for (const client of flood) await client.closed(30_000);
    const statuses = flood.map((client) => client.status);
    expect(statuses.filter((s) => ![401, 429, 503].includes(s))).toEqual([]);
    for (const { answer, status: refused } of flood)
      if (refused !== 401) expect(answer).toMatch(/\r\nretry-after: \d+\r\n/i);
  });
  expect(silence).toBeLessThan(LONGEST_SILENCE);
}, 120_000);

it('guesses at one account from twenty addresses are refused after ten, and the owner can log in throughout', async () => {
  const statuses: (number | undefined)[] = [];
  for (let i = 0; i < 30; i++) {
    const [status, retryAfter] = await loginFrom(`127.0.1.${1 + (i % 20)}`, 'admin', `guess number ${i}`);
    statuses.push(status);
    if (status === 429) expect(retryAfter).toBeGreaterThan(0);
  }
  // Some seconds pass meanwhile, so a few single attempts are allowed again.
  expect(statuses.filter((status) => status === 401).length).toBeLessThanOrEqual(15);
  expect(new Set(statuses)).toEqual(new Set([401, 429]));
  expect((await loginFrom('127.0.1.1', 'admin', ADMIN_PASSWORD))[0]).toBe(429);
  for (let i = 0; i < 11; i++) await loginFrom('127.0.0.1', 'admin', `guess number ${i}`);
  expect((await adminLogsIn()).status).toBe(200);
  expect(programs.allAlive).toBe(true);
}, 120_000);
