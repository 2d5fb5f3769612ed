/** The real service on a real database, with tokens signed by a key of the test. */
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import path from 'node:path';
import { field } from '@cl-server/contract';
import { type JobTables, jobMigrations } from '@cl-server/jobs';
import {
  type Broadcaster,
  importVerificationKey,
  type KeySource,
  keyId,
  migrate,
  noBroadcaster,
  openDatabase,
  silentLogger,
  TokenVerifier,
} from '@cl-server/service-kit';
import { defineTask, TaskRegistry } from '@cl-server/task-kit';
import { type Backend, tempDir } from '@cl-server/testing';
import { z } from 'zod';
import { type ComputeOptions, type ComputeService, createComputeService } from '../../src/index.js';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = createPublicKey(privateKey).export({ format: 'jwk' });
const publicKey = await importVerificationKey(jwk);
const kid = await keyId(jwk);
const keys: KeySource = {
  get: async (wanted) => (wanted === kid ? publicKey : undefined),
  onChange: () => undefined,
  ready: () => true,
  close: () => undefined,
};

export interface Person {
  readonly id: string;
  readonly permissions?: readonly string[];
  readonly is_admin?: boolean;
}

export function tokenOf(person: Person, lifetime = 600): string {
  const now = Math.floor(Date.now() / 1000);
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'ES256', typ: 'JWT', kid })}.${part({
    ...person,
    iss: 'cl-server',
    iat: now,
    exp: now + lifetime,
  })}`;
  return `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

export const ADMIN = tokenOf({ id: '1', is_admin: true });
export const ANN = tokenOf({ id: '2', permissions: ['ai_inference_support'] });
export const EVE = tokenOf({ id: '3', permissions: ['media_store_read', 'admin', '*'] });

const count = defineTask({
  type: 'count',
  version: '1.0.0',
  summary: 'Counts',
  file: 'none',
  params: z.object({ to: field.int({ ge: 0 }).default(3) }),
  output: z.object({}),
  load: async () => ({ run: async () => ({}) }),
});

const tasks = new TaskRegistry([
  {
    task: 'count',
    package: '@cl-server/tasks',
    version: '1.0.0',
    source: 'builtin',
    file: '/nowhere',
    state: 'loaded',
    definition: count,
  },
]);

export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read bodies of any shape
  readonly json: any;
}

export interface TestService {
  readonly base: string;
  readonly service: ComputeService;
  request(method: string, where: string, token?: string, form?: Record<string, string>): Promise<TestAnswer>;
  close(): Promise<void>;
}

export async function startService(
  backend: Backend,
  options: Partial<ComputeOptions> & { readonly broadcaster?: Broadcaster } = {},
): Promise<TestService> {
  const created = await backend.create();
  const dir = tempDir('cl-compute-');
  const database = openDatabase<JobTables>(created.url, { schema: 'jobs', synchronous: 'normal' });
  await migrate(database, jobMigrations);
  const service = await createComputeService({
    database,
    storageDir: path.join(dir.path, 'compute'),
    mediaDir: path.join(dir.path, 'media'),
    streamsDir: path.join(dir.path, 'streams'),
    broadcaster: noBroadcaster,
    verifier: new TokenVerifier({ keys }),
    tasks,
    logger: silentLogger(),
    maxUploadBytes: 1_000_000,
    workersTopic: 'inference/workers',
    workerMaxAge: 30_000,
    checkResponses: true,
    ...options,
  });
  const base = await service.app.listen({ host: '127.0.0.1', port: 0 });
  return {
    base,
    service,
    request: async (method, where, token, form) => {
      const answer = await fetch(base + where, {
        method,
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        body: form ? new URLSearchParams(form) : null,
      });
      const text = await answer.text();
      const isJson = /json/.test(answer.headers.get('content-type') ?? '') && text !== '';
      return { status: answer.status, headers: answer.headers, text, json: isJson ? JSON.parse(text) : undefined };
    },
    close: async () => {
      await service.close();
      await database.close();
      await created.drop();
      dir.remove();
    },
  };
}
