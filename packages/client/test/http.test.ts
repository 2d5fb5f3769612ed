import type { getJobFile } from '@cl-server/contract';
import { afterEach, describe, expect, it } from 'vitest';
import { requestOf } from '../src/http/request.js';
import {
  ApiError,
  AuthenticationError,
  ConflictError,
  HttpClient,
  JWTAuthProvider,
  NetworkError,
  NotFoundError,
  PermissionError,
  RateLimitError,
  ServerError,
  StorageFullError,
  TimeoutError,
  TooLargeError,
  UnavailableError,
  ValidationError,
} from '../src/index.js';
import { json, type Respond, startServer, type TestServer } from './support/server.js';

const servers: TestServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

const NO_PAUSE = { baseMs: 0, maxMs: 0 };

async function clientOf(respond: Respond, options = {}) {
  const server = await startServer(respond);
  servers.push(server);
  return { server, http: new HttpClient({ baseUrl: server.url, retry: NO_PAUSE, ...options }) };
}

/** Answers one after the other; the last one again and again. */
const inTurn = (...answers: Respond[]): Respond => {
  let turn = 0;
  return (...given) => (answers[Math.min(turn++, answers.length - 1)] as Respond)(...given);
};

const ok: Respond = (_request, response) => json(response, 200, { fine: true });
const refuse =
  (status: number, headers = {}): Respond =>
  (_request, response) =>
    json(response, status, { detail: 'because', code: 'a_word', request_id: 'r-1' }, headers);

describe('refusals', () => {
  it.each([
    [401, AuthenticationError],
    [403, PermissionError],
    [404, NotFoundError],
    [409, ConflictError],
    [413, TooLargeError],
    [422, ValidationError],
    [429, RateLimitError],
    [500, ServerError],
    [503, UnavailableError],
    [507, StorageFullError],
    [418, ApiError],
  ])('are typed by their status: %i', async (status, Kind) => {
    const { http } = await clientOf(refuse(status), { retry: { retries: 0 } });
    const error = await http.json({ method: 'GET', path: '/x' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Kind);
    expect(error).toMatchObject({ status, code: 'a_word', detail: 'because', requestId: 'r-1', message: 'because' });
  });

  it('name every fault of a 422', async () => {
    const item = { type: 'missing', loc: ['body', 'username'], msg: 'Field required', input: null };
    const { http } = await clientOf((_request, response) =>
      json(response, 422, { detail: [item], code: 'validation' }),
    );
    const error = await http.json({ method: 'POST', path: '/x' }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ message: 'username: Field required', items: [item] });
  });

  it('of a proxy, which sends a page, keep the status', async () => {
    const { http } = await clientOf((_request, response) => void response.writeHead(502).end('<html>'), {
      retry: { retries: 0 },
    });
    await expect(http.json({ method: 'GET', path: '/x' })).rejects.toMatchObject({ status: 502, code: 'http_502' });
  });
});

describe('retries', () => {
  it('repeat what is idempotent after a broken connection', async () => {
    const { http, server } = await clientOf(inTurn((_request, response) => void response.destroy(), ok));
    await expect(http.json({ method: 'GET', path: '/x' })).resolves.toEqual({ fine: true });
    expect(server.received).toHaveLength(2);
  });

  it('never repeat a POST that may have been acted on', async () => {
    const { http, server } = await clientOf(inTurn((_request, response) => void response.destroy(), ok));
    await expect(http.json({ method: 'POST', path: '/x', form: { a: 1 } })).rejects.toBeInstanceOf(NetworkError);
    expect(server.received).toHaveLength(1);
  });

  it.each([429, 503])('repeat a POST that the server put off with Retry-After (%i)', async (status) => {
    const { http, server } = await clientOf(inTurn(refuse(status, { 'retry-after': '0' }), ok));
    await expect(http.json({ method: 'POST', path: '/x' })).resolves.toEqual({ fine: true });
    expect(server.received).toHaveLength(2);
  });

  it('do not wait for a server that asks for an hour', async () => {
    const { http, server } = await clientOf(refuse(429, { 'retry-after': '3600' }));
    await expect(http.json({ method: 'GET', path: '/x' })).rejects.toMatchObject({ retryAfterMs: 3_600_000 });
    expect(server.received).toHaveLength(1);
  });

  it('end after the given number', async () => {
    const { http, server } = await clientOf(refuse(503), { retry: { ...NO_PAUSE, retries: 2 } });
    await expect(http.json({ method: 'GET', path: '/x' })).rejects.toBeInstanceOf(UnavailableError);
    expect(server.received).toHaveLength(3);
  });

  it('take a 404 after a lost answer to DELETE as done', async () => {
    const { http } = await clientOf(inTurn((_request, response) => void response.destroy(), refuse(404)));
    await expect(http.json({ method: 'DELETE', path: '/x' })).resolves.toBeUndefined();
  });
});

describe('a 401', () => {
  it('is tried again once with another token', async () => {
    let token = 'old';
    const { http, server } = await clientOf(
      (request, response) =>
        request.headers.authorization === 'Bearer new'
          ? json(response, 200, {})
          : refuse(401)(request, response, null as never),
      { auth: new JWTAuthProvider(() => token) },
    );
    const pending = http.json({ method: 'POST', path: '/x' });
    token = 'new';
    await expect(pending).resolves.toEqual({});
    expect(server.received.length).toBeLessThanOrEqual(2);
  });

  it('is final where the token is still the same', async () => {
    const { http, server } = await clientOf(refuse(401), { auth: new JWTAuthProvider('same') });
    await expect(http.json({ method: 'GET', path: '/x' })).rejects.toBeInstanceOf(AuthenticationError);
    expect(server.received).toHaveLength(1);
  });
});

describe('time', () => {
  it('ends a request on which nothing moves', async () => {
    const { http } = await clientOf(() => undefined, { timeoutMs: 50, retry: { retries: 0 } });
    await expect(http.json({ method: 'GET', path: '/x' })).rejects.toBeInstanceOf(TimeoutError);
  });

  it('does not end a slow body that moves', async () => {
    const { http } = await clientOf(
      (_request, response) => {
        let left = 6;
        const timer = setInterval(() => {
          left -= 1;
          if (left > 0) return void response.write('x');
          clearInterval(timer);
          response.end();
        }, 300);
      },
      { timeoutMs: 1200 },
    );
    const answer = await http.open({ method: 'GET', path: '/x' });
    let bytes = 0;
    for await (const chunk of answer.chunks()) bytes += chunk.length;
    expect(bytes).toBe(5);
  });

  it('of the caller is up when the signal says so, with its reason', async () => {
    const { http } = await clientOf(() => undefined);
    const stop = new AbortController();
    const pending = http.json({ method: 'GET', path: '/x' }, { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(pending).rejects.toThrow('enough');
  });
});

it('says that nobody listens, and where', async () => {
  const { http, server } = await clientOf(ok, { retry: { retries: 0 } });
  await server.stop();
  const error = await http.json({ method: 'POST', path: '/x' }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(NetworkError);
  expect((error as Error).message).toBe(`No answer from ${server.url}: connection refused`);
});

it('encodes every parameter of a path; only one that is itself a path keeps its slashes', () => {
  const { path } = requestOf<typeof getJobFile>({
    method: 'GET',
    path: '/jobs/{job_id}/files/{file_path*}',
    params: { job_id: '../a b?', file_path: 'output/a b?.jpg' },
  });
  expect(path).toBe('/jobs/..%2Fa%20b%3F/files/output/a%20b%3F.jpg');
});

it('sends fields as text, null as empty, and leaves undefined out', async () => {
  const { http, server } = await clientOf(ok);
  await http.json({ method: 'POST', path: '/x', form: { a: 1, b: true, c: null, d: undefined, e: ['x'] } });
  expect(server.received[0]?.body.toString()).toBe('a=1&b=true&c=&e=%5B%22x%22%5D');
});

it('reports every attempt', async () => {
  const seen: unknown[] = [];
  const { http } = await clientOf(inTurn(refuse(503), ok), {
    onRequest: ({ method, attempt, status }: { method: string; attempt: number; status: number }) =>
      seen.push([method, attempt, status]),
  });
  await http.json({ method: 'GET', path: '/x' });
  expect(seen).toEqual([
    ['GET', 0, 503],
    ['GET', 1, 200],
  ]);
});
