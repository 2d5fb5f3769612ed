/**
 * Sends requests made from the endpoint tables to the real services. `CL_TEST_FUZZ=10000` sets their number; the printed random
 * number, given as `CL_TEST_SEED`, repeats the same requests.
 */
import http from 'node:http';
import {
  type AnyEndpoint,
  authEndpoints,
  computeEndpoints,
  errorBody,
  impliedErrors,
  storeEndpoints,
  systemEndpoints,
} from '@cl-server/contract';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Service } from './authorisation-table.js';
import { type FuzzRequest, RequestMaker, random } from './fuzz/requests.js';
import { ADMIN_PASSWORD, Programs } from './support/programs.js';

const COUNT = Number(process.env.CL_TEST_FUZZ ?? 600);
const SEED = Number(process.env.CL_TEST_SEED ?? Date.now() % 1_000_000);
const TABLES: Readonly<Record<Service, readonly AnyEndpoint[]>> = {
  auth: [...authEndpoints, ...systemEndpoints],
  store: [...storeEndpoints, ...systemEndpoints],
  compute: [...computeEndpoints, ...systemEndpoints],
};
/** The answers that a request can get before it reaches an endpoint: unknown path, or path or head too large. */
const BEFORE_ENDPOINTS = [404, 405, 414, 431];

let programs: Programs;
beforeAll(async () => {
  programs = await Programs.start({ execArgv: ['--max-old-space-size=512'] });
});
afterAll(() => programs.stop());

interface Got {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });

function send(service: Service, { method, path, headers, body }: FuzzRequest): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { agent, host: '127.0.0.1', port: programs.port(service), method, path, headers, timeout: 60_000 },
      (answer) => {
        const chunks: Buffer[] = [];
        const done = (): void =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text: Buffer.concat(chunks).toString() });
        // A stream of events does not end while its job waits.
        if (answer.headers['content-type']?.startsWith('text/event-stream')) {
          request.destroy();
          return done();
        }
        answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', done);
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer within a minute')));
    request.on('error', reject);
    request.end(body);
  });
}

/** Describes what is wrong with an answer; undefined if it is as documented. */
function fault({ endpoint }: FuzzRequest, { status, headers, text }: Got): string | undefined {
  const spec = endpoint.responses[status];
  if (status === 500) return `500 ${text}`;
  if (status === 503 && headers['retry-after'] === undefined) return '503 without Retry-After';
  if (!spec && !(status in impliedErrors(endpoint)) && !BEFORE_ENDPOINTS.includes(status))
    return `${status} is not documented: ${text.slice(0, 200)}`;
  if (spec?.content !== undefined || (spec && !spec.schema && status < 400)) return undefined;
  const schema = spec?.schema ?? errorBody;
  try {
    const result = schema.safeParse(JSON.parse(text));
    if (result.success) return undefined;
    return `${status} of another form: ${result.error.message.slice(0, 500)}`;
  } catch {
    return `${status} is no JSON: ${text.slice(0, 200)}`;
  }
}

it(`every answer to ${COUNT} requests of any shape is of its documented form, and no service fails (seed ${SEED})`, async () => {
  process.stdout.write(`fuzz: CL_TEST_SEED=${SEED} CL_TEST_FUZZ=${COUNT}\n`);
  const admin = await programs.login('admin', ADMIN_PASSWORD);
  const form = {
    username: 'reader',
    password: 'reader-secret-1',
    permissions: 'media_store_read,ai_inference_support',
  };
  await programs.ask('auth', 'POST /users', admin, form);
  const reader = await programs.login('reader', form.password);
  const victim = await programs.ask('auth', 'POST /users', admin, { username: 'victim', password: 'victim-secret-1' });
  const entity = await programs.ask('store', 'POST /entities', admin, { is_collection: 'true', label: 'one' });
  const job = await programs.ask('compute', 'POST /jobs/clip_text_embedding', admin, { text: 'of another' });
  const maker = new RequestMaker(
    random(SEED),
    {
      entity_id: [String(entity.json.id)],
      parent_id: [String(entity.json.id)],
      job_id: [String(job.json.job_id)],
      // Users other than the callers themselves.
      user_id: [String(victim.json.id)],
      task_type: ['hash', 'clip_text_embedding', 'exif', 'media_thumbnail', 'hls_streaming', 'face_detection'],
    },
    [admin, admin, reader, undefined],
  );
  const services = Object.keys(TABLES) as Service[];
  const requests = Array.from({ length: COUNT }, (_, index) => {
    const service = services[index % services.length] as Service;
    const table = TABLES[service];
    return { service, request: maker.make(table[Math.floor(index / services.length) % table.length] as AnyEndpoint) };
  });
  const faults: string[] = [];
  const workers = Array.from({ length: 6 }, async (_, first) => {
    for (let at = first; at < requests.length; at += 6) {
      const { service, request } = requests[at] as (typeof requests)[number];
      const line = `${service} ${request.method} ${request.path.slice(0, 200)} ${JSON.stringify(request.headers).slice(0, 200)} ${request.body.toString().slice(0, 300)}`;
      const wrong = await send(service, request).then(
        (got) => fault(request, got),
        (error: unknown) => String(error),
      );
      if (wrong !== undefined) faults.push(`${wrong}\n    ${line}`);
    }
  });
  await Promise.all(workers);
  agent.destroy();
  expect(faults.slice(0, 20).join('\n')).toBe('');
  expect(programs.allAlive).toBe(true);
  for (const service of services) expect((await programs.ask(service, 'GET /livez')).status).toBe(200);
}, 1_800_000);
