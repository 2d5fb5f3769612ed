/** Clients that two generators make from OpenAPI documents, and programs that use them. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { projectRoot } from '@cl-server/testing';
import { createClient, defaultPlugins } from '@hey-api/openapi-ts';
import openapiTS, { astToString } from 'openapi-typescript';
import { rolldown } from 'rolldown';
import ts from 'typescript';

const run = promisify(execFile);

export const SERVICES = ['auth', 'store', 'compute'] as const;
export type Urls = Readonly<Record<(typeof SERVICES)[number], string>>;

/** The results of a program that used its client. */
export interface Tried {
  /** Id of the uploaded photo. */
  readonly entityId: number;
  readonly entityLabel: string | null;
  readonly jobStatus: string;
  /** The output of the job. */
  readonly output: Readonly<Record<string, unknown>>;
  /** The error body of a request for an entity that does not exist. */
  readonly refusal: unknown;
}
export type TryOut = (urls: Urls, login: { username: string; password: string }, photo: Blob) => Promise<Tried>;

const SIGNATURE = `
type Urls = { auth: string; store: string; compute: string };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
export async function tryOut(urls: Urls, login: { username: string; password: string }, photo: Blob) {`;

const WITH_OPENAPI_FETCH = `
import createClient from 'openapi-fetch';
import type { components, paths as AuthPaths } from './auth.js';
import type { paths as ComputePaths } from './compute.js';
import type { components as Store, paths as StorePaths } from './store.js';

const multipart = (body: object) => {
  const form = new FormData();
  for (const [name, value] of Object.entries(body)) form.append(name, value instanceof Blob ? value : String(value));
  return form;
};
${SIGNATURE}
  const auth = createClient<AuthPaths>({ baseUrl: urls.auth });
  const answer = await auth.POST('/auth/token', { body: login, bodySerializer: multipart });
  if (!answer.data) throw new Error(JSON.stringify(answer.error));
  const headers = { authorization: \`Bearer \${answer.data.access_token}\` };

  const store = createClient<StorePaths>({ baseUrl: urls.store, headers });
  const upload = await store.POST('/entities', {
    body: { is_collection: false, label: 'Beach', media_file: photo },
    bodySerializer: multipart,
  });
  if (!upload.data) throw new Error(JSON.stringify(upload.error));
  const entity: Store['schemas']['Entity'] = upload.data;
  const { error } = await store.GET('/entities/{entity_id}', { params: { path: { entity_id: 424242 } } });
  const refusal: components['schemas']['Error'] | undefined = error;

  const compute = createClient<ComputePaths>({ baseUrl: urls.compute, headers });
  const submitted = await compute.POST('/jobs/hash', { body: { file: photo, priority: 8 }, bodySerializer: multipart });
  if (!submitted.data) throw new Error(JSON.stringify(submitted.error));
  for (;;) {
    const { data: job } = await compute.GET('/jobs/{job_id}', { params: { path: { job_id: submitted.data.job_id } } });
    if (!job) throw new Error('the job is gone');
    if (job.status === 'completed' || job.status === 'failed')
      return { entityId: entity.id, entityLabel: entity.label, jobStatus: job.status, output: job.task_output, refusal };
    await pause(100);
  }
}
`;

const WITH_HEY_API = `
import { createClient as authClient } from './auth/client';
import { loginForAccessToken } from './auth';
import { createClient as computeClient } from './compute/client';
import { createHashJob, getJob } from './compute';
import { createClient as storeClient } from './store/client';
import { createEntity, getEntity, type Entity } from './store';
${SIGNATURE}
  const auth = authClient({ baseUrl: urls.auth });
  const { data: token } = await loginForAccessToken({ client: auth, body: login, throwOnError: true });

  const store = storeClient({ baseUrl: urls.store, auth: token.access_token });
  const body = { is_collection: false, label: 'Beach', media_file: photo };
  const entity: Entity = (await createEntity({ client: store, body, throwOnError: true })).data;
  const { error: refusal } = await getEntity({ client: store, path: { entity_id: 424242 } });

  const compute = computeClient({ baseUrl: urls.compute, auth: token.access_token });
  const submission = { client: compute, body: { file: photo, priority: 8 }, throwOnError: true } as const;
  const { data: submitted } = await createHashJob(submission);
  for (;;) {
    const { data: job } = await getJob({ client: compute, path: { job_id: submitted.job_id }, throwOnError: true });
    if (job.status === 'completed' || job.status === 'failed')
      return { entityId: entity.id, entityLabel: entity.label, jobStatus: job.status, output: job.task_output, refusal };
    await pause(100);
  }
}
`;

/** The manual of openapi-typescript shows how bytes become a Blob. */
const BLOB = ts.factory.createTypeReferenceNode('Blob');

async function withOpenapiTypescript(documents: string, folder: string): Promise<void> {
  for (const service of SERVICES) {
    const nodes = await openapiTS(pathToFileURL(path.join(documents, `${service}.json`)), {
      transform: (schema) => (schema.format === 'binary' ? BLOB : undefined),
      silent: true,
    });
    fs.writeFileSync(path.join(folder, `${service}.ts`), astToString(nodes));
  }
  fs.writeFileSync(path.join(folder, 'program.ts'), WITH_OPENAPI_FETCH);
}

async function withHeyApi(documents: string, folder: string): Promise<void> {
  for (const service of SERVICES)
    await createClient({
      input: path.join(documents, `${service}.json`),
      output: path.join(folder, service),
      plugins: [...defaultPlugins, '@hey-api/client-fetch'],
      logs: { level: 'silent', file: false },
    });
  fs.writeFileSync(path.join(folder, 'program.ts'), WITH_HEY_API);
}

export const GENERATORS = {
  'openapi-typescript': withOpenapiTypescript,
  '@hey-api/openapi-ts': withHeyApi,
} as const;

const TSCONFIG = {
  compilerOptions: {
    strict: true,
    noEmit: true,
    target: 'es2022',
    module: 'esnext',
    moduleResolution: 'bundler',
    lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
    types: [],
  },
  include: ['**/*.ts'],
};

/**
 * Generates clients of all services, compiles them together with a program that uses them, and loads that program.
 * @param documents the folder of the documents
 * @param folder an empty folder for the results
 * @throws with the compiler's messages
 */
export async function generate(name: keyof typeof GENERATORS, documents: string, folder: string): Promise<TryOut> {
  fs.mkdirSync(folder);
  fs.symlinkSync(path.join(projectRoot, 'node_modules'), path.join(folder, 'node_modules'));
  await GENERATORS[name](documents, folder);
  fs.writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG));
  const compiler = path.join(projectRoot, 'node_modules/typescript-7/bin/tsc');
  await run(process.execPath, [compiler, '-p', folder]).catch((error: { stdout: string }) => {
    throw new Error(`the client does not compile:\n${error.stdout.slice(0, 4_000)}`);
  });
  const bundle = await rolldown({ input: path.join(folder, 'program.ts'), logLevel: 'silent' });
  const file = path.join(folder, 'program.mjs');
  await bundle.write({ file, format: 'esm' });
  await bundle.close();
  return ((await import(pathToFileURL(file).href)) as { tryOut: TryOut }).tryOut;
}
