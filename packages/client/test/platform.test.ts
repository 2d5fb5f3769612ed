/** The SDK against the whole platform, started for this file. */
import fs from 'node:fs';
import path from 'node:path';
import { eventually, hasMedia, mediaFile, projectRoot, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  endPlatform,
  HELD_TASK,
  PASSWORD,
  startSecondAuth,
  startTestPlatform,
  type TestPlatform,
} from '../../../apps/server/test/platform/support.js';
import {
  AuthenticationError,
  ClServer,
  distance,
  JobFailedError,
  JWTAuthProvider,
  map,
  PermissionError,
  type Transport,
  ValidationError,
} from '../src/index.js';
import { basePathProxy } from './support/base-path-proxy.js';
import { slowLink } from './support/slow-link.js';

const built = fs.existsSync(path.join(projectRoot, 'apps/server/dist/main.js'));

const TRANSPORTS: readonly [string, readonly Transport[]][] = [
  ['MQTT', ['mqtt']],
  ['server-sent events', ['sse']],
  ['polling', []],
];

describe.runIf(built)('the platform', () => {
  let platform: TestPlatform;
  let cl: ClServer;

  const connect = (transports?: readonly Transport[]): ClServer =>
    new ClServer({
      urls: platform.urls,
      transports,
      credentials: () => ({ username: 'admin', password: PASSWORD }),
    });

  beforeAll(async () => {
    platform = await startTestPlatform({ held: HELD_TASK });
    cl = connect();
    await cl.session.login('admin', PASSWORD);
  }, 120_000);
  afterAll(async () => {
    await cl?.close();
    if (platform) await endPlatform(platform);
  });

  it('is healthy', async () => {
    for (const service of [cl.auth, cl.store, cl.compute]) {
      expect((await service.system.health()).readiness.status).toBe('ready');
      expect(await service.system.live()).toBe(true);
      expect(await service.system.metrics()).toContain('# HELP');
    }
  });

  it('has users, with the rights that they were given', async () => {
    const user = await cl.auth.users.create({ username: 'reader', password: 'reads only 1', permissions: ['x:y'] });
    expect(await cl.auth.users.find('reader')).toEqual(user);
    const reader = new ClServer({ urls: platform.urls });
    await reader.session.login('reader', 'reads only 1');
    await expect(reader.store.entities.createCollection({ label: 'no' })).rejects.toBeInstanceOf(PermissionError);
    await expect(reader.session.login('reader', 'wrong one')).rejects.toBeInstanceOf(AuthenticationError);
    expect((await cl.auth.users.update(user.id, { permissions: [] })).permissions).toEqual([]);
    await cl.auth.users.delete(user.id);
    const names: string[] = [];
    for await (const { username } of cl.auth.users.list()) names.push(username);
    expect(names).toEqual(['admin']);
  });

  it('says which field is wrong', async () => {
    const error = await cl.auth.users.create({ username: 'x', password: 'short' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ValidationError);
    expect((error as ValidationError).items[0]?.loc).toContain('password');
  });

  describe('the store', () => {
    it('keeps a file, gives it back, and knows its bytes again', async () => {
      using dir = tempDir();
      const bytes = new Uint8Array(300_000).map((_, i) => i % 251);
      const first = await cl.store.entities.upload({ data: bytes, name: 'data ü.bin' }, { label: 'Data' });
      expect(first.created).toBe(true);
      const second = await cl.store.entities.upload({ data: bytes, name: 'again.bin' });
      expect(second).toMatchObject({ created: false, entity: { id: first.entity.id } });
      const { sha256 } = first.entity;
      expect(await cl.store.entities.lookup({ sha256: sha256 ?? '' })).toMatchObject({ id: first.entity.id });
      expect(await cl.store.entities.lookup({ sha256: '0'.repeat(64) })).toBeUndefined();
      expect(await cl.store.media.bytes(first.entity.id)).toEqual(bytes);
      const dest = path.join(dir.path, 'copy.bin');
      await cl.store.media.download(first.entity.id, dest);
      expect(new Uint8Array(fs.readFileSync(dest))).toEqual(bytes);
    });

    it('changes what is given, keeps versions, and goes back', async () => {
      const { id } = await cl.store.entities.createCollection({ label: 'One', description: 'kept' });
      await cl.store.entities.patch(id, { label: 'Two' });
      expect(await cl.store.entities.get(id)).toMatchObject({ label: 'Two', description: 'kept' });
      expect(await cl.store.entities.patch(id, { description: null })).toMatchObject({ description: null });
      expect(await cl.store.entities.get(id, { version: 1 })).toMatchObject({ label: 'One' });
      expect(await cl.store.entities.versions(id)).toHaveLength(3);
      const { changes } = await cl.store.entities.diff(id, 1, 2);
      expect(changes).toContainEqual({ field: 'label', from: 'One', to: 'Two' });
      expect(await cl.store.entities.restoreVersion(id, 1)).toMatchObject({ label: 'One', description: 'kept' });
      await cl.store.entities.delete(id);
    });

    it('lists everything over many pages, once each', async () => {
      const { id } = await cl.store.entities.createCollection({ label: 'Many' });
      await map(
        Array.from({ length: 23 }, (_, i) => i),
        (i) => cl.store.entities.createCollection({ label: `child ${i}`, parent_id: id }),
      );
      const ids: number[] = [];
      for await (const entity of cl.store.entities.list({ parent_id: id, page_size: 5 })) ids.push(entity.id);
      expect(new Set(ids).size).toBe(23);
      expect(ids).toHaveLength(23);
    });

    it('refuses those who are not logged in', async () => {
      const nobody = new ClServer({ urls: platform.urls });
      await expect(nobody.store.entities.upload(new Blob(['x']))).rejects.toBeInstanceOf(AuthenticationError);
    });
  });

  describe.each(TRANSPORTS)('jobs by %s', (_name, transports) => {
    it('run, report their end, and give their output', async () => {
      const client = connect(transports);
      try {
        const states: string[] = [];
        const job = await client.compute.hash.compute(
          { data: new TextEncoder().encode(`text of ${_name}`), name: 'note.txt' },
          { priority: 9, onProgress: ({ state }) => states.push(state) },
        );
        expect(job).toMatchObject({ status: 'completed', progress: 100, priority: 9 });
        expect(job.task_output.sha256).toMatch(/^[0-9a-f]{64}$/);
        expect(states.at(-1)).toBe('completed');
        const output = await client.compute.jobs.bytes(job.job_id, String(job.params.output_path));
        expect(output.length).toBeGreaterThan(0);
        await client.compute.jobs.delete(job.job_id);
      } finally {
        await client.close();
      }
    });

    it('of many files end, each with its own result', async () => {
      const client = connect(transports);
      try {
        const digests = await map(
          Array.from({ length: 12 }, (_, i) => `${_name} ${i}`),
          async (text) => (await client.compute.hash.compute(new Blob([text])).output).md5,
          { concurrency: 6 },
        );
        expect(new Set(digests).size).toBe(12);
      } finally {
        await client.close();
      }
    });
  });

  it('one job after the other is heard of at once by MQTT, none only by the look that follows a miss', async () => {
    const client = connect(['mqtt']);
    const times: number[] = [];
    for (let i = 0; i < 6; i++) {
      const began = performance.now();
      await client.compute.hash.compute(new Blob([`in turn ${i}`]));
      times.push(performance.now() - began);
    }
    await client.close();
    // A missed event costs five seconds; a busy machine may have one slow job.
    expect(times.filter((ms) => ms > 4_500).length).toBeLessThan(2);
  });

  it('a task that fails says why', async () => {
    const job = cl.compute.imageConversion.convert(new Blob(['not a picture']), 'png');
    await expect(job).rejects.toBeInstanceOf(JobFailedError);
    expect((await job.settled()).error_message).toBeTruthy();
  });

  describe('by MQTT, server-sent events and polling alike nothing is lost', () => {
    let held = 0;

    /** Starts jobs in each way that cannot end before `happen` is over, and waits for all. */
    const through = async (clients: readonly ClServer[], happen: () => unknown): Promise<void> => {
      held += 1;
      const until = path.join(platform.signals.path, `go-on-${held}`);
      const jobs = clients.flatMap(({ compute }) => [1, 2].map(() => compute.run('held', undefined, { until })));
      await Promise.all(jobs.map(({ created }) => created));
      await eventually(() => jobs.some(({ state }) => state === 'processing'), { what: 'a running job' });
      await happen();
      fs.writeFileSync(until, '');
      const ended = await Promise.all(jobs);
      expect(ended.map(({ task_output }) => task_output)).toEqual(jobs.map(() => ({ done: true })));
    };
    const inEachWay = async (
      work: (clients: readonly ClServer[]) => Promise<void>,
      client: (transports: readonly Transport[]) => ClServer = connect,
    ): Promise<void> => {
      const clients = TRANSPORTS.map(([, transports]) => client(transports));
      try {
        await work(clients);
      } finally {
        for (const each of clients) await each.close();
      }
    };
    const isRefused = async (token: string): Promise<boolean> => {
      const headers = { authorization: `Bearer ${token}` };
      return (await fetch(`${platform.urls.compute}/jobs`, { headers })).status === 401;
    };
    const tokensOf = (clients: readonly ClServer[]) => Promise.all(clients.map(({ session }) => session.getToken()));
    const allRefused = async (tokens: readonly string[]): Promise<boolean> =>
      (await Promise.all(tokens.map(isRefused))).every(Boolean);

    it('when the broker is killed in the middle', () =>
      inEachWay((clients) => through(clients, () => platform.launcher.kill('cl-broker'))));

    it('when compute is killed in the middle', async () => {
      await inEachWay((clients) => through(clients, () => platform.launcher.kill('compute-server')));
      await eventually(() => cl.compute.system.live(), { within: 30_000 });
    });

    it('when the password changes in the middle', async () => {
      const credentials = { username: 'mortal', password: 'long enough 1' };
      const user = await cl.auth.users.create({ ...credentials, permissions: ['ai_inference_support'] });
      const client = (transports: readonly Transport[]): ClServer =>
        new ClServer({ urls: platform.urls, transports, credentials: () => credentials });
      await inEachWay(async (clients) => {
        const before = await tokensOf(clients);
        await through(clients, async () => {
          await cl.auth.users.update(user.id, { password: credentials.password });
          await eventually(() => allRefused(before), { what: 'the end of the tokens' });
        });
      }, client);
      await cl.auth.users.delete(user.id);
    });

    it.each([
      // Over before any look at a job could notice that the end is near.
      { seconds: 3, means: 'logging in again', credentials: () => ({ username: 'admin', password: PASSWORD }) },
      // Its last fifth is longer than the pause between two looks, as with every lifetime that can be set.
      { seconds: 30, means: 'refreshing alone', credentials: undefined },
    ])(
      'when the token expires in the middle, by $means',
      async ({ seconds, credentials }) => {
        const auth = await startSecondAuth(platform, seconds);
        const urls = { ...platform.urls, auth: auth.url };
        try {
          await inEachWay(
            async (clients) => {
              await Promise.all(clients.map(({ session }) => session.login('admin', PASSWORD)));
              const before = await tokensOf(clients);
              await through(clients, () =>
                eventually(() => allRefused(before), { within: (seconds + 20) * 1000, every: 250, what: 'their end' }),
              );
            },
            (transports) =>
              new ClServer({ urls, transports, credentials, poll: { firstMs: 250, factor: 1.5, maxMs: 2_000 } }),
          );
        } finally {
          await auth.close();
        }
      },
      90_000,
    );

    it('on a slow link, where what moves, however slowly, is not given up', async () => {
      const link = await slowLink(platform.urls.compute, 100_000);
      const urls = { ...platform.urls, compute: link.url };
      const auth = new JWTAuthProvider(await cl.session.getToken());
      const bytes = new Uint8Array(200_000);
      try {
        await Promise.all(
          TRANSPORTS.map(async ([name, transports]) => {
            const client = new ClServer({ urls, transports, auth });
            const job = await client.compute.hash.compute({ data: bytes, name: 'slow.bin' });
            expect(job.task_output.size, name).toBe(bytes.length);
            const began = performance.now();
            const timeoutMs = 1_000;
            const copy = await client.compute.jobs.bytes(job.job_id, String(job.params.input_path), { timeoutMs });
            expect(copy.length, name).toBe(bytes.length);
            expect(performance.now() - began, name).toBeGreaterThan(1.5 * timeoutMs);
            await client.close();
          }),
        );
      } finally {
        await link.close();
      }
    });
  });

  it('works behind a proxy that gives each service a path: sessions, files, signed addresses, jobs, events', async () => {
    const proxy = await basePathProxy(platform.urls);
    const [auth, store, compute] = ['auth', 'store', 'compute'].map((name) => proxy.url(name));
    const client = new ClServer({ urls: { auth, store, compute, mqtt: platform.urls.mqtt } });
    try {
      await client.session.login('admin', PASSWORD);
      const changes: string[] = [];
      await client.events.on('entity', ({ id, change }) => changes.push(`${id} ${change}`));
      const watched = client.events.stream('item').next();
      const bytes = new TextEncoder().encode(`behind a proxy ${Math.random()}`);
      const uploadUrls: string[] = [];
      const { entity } = await client.store.entities.uploadResumable(
        { data: bytes, name: 'a.txt' },
        { label: 'Proxied', chunkSize: 10, onUploadUrl: (url) => void uploadUrls.push(url) },
      );
      expect(uploadUrls[0]).toContain('/store/uploads/');
      await eventually(() => changes.includes(`${entity.id} created`));
      expect((await watched).value).toMatchObject({ id: entity.id, md5: entity.md5 });
      const signed = await client.store.media.signedUrls(entity.id, { expiresInMs: 60_000 });
      expect(signed.media).toContain('/store/entities/');
      expect(signed.expires_at).toBeLessThan(Date.now() + 62_000);
      expect(new Uint8Array(await (await fetch(signed.media)).arrayBuffer())).toEqual(bytes);
      const job = client.compute.hash.compute({ data: bytes, name: 'a.txt' });
      expect((await job.completed()).task_output.sha256).toBe(entity.sha256);
      expect((await client.compute.jobs.completed(job.id ?? '')).status).toBe('completed');
    } finally {
      await client.close();
      await proxy.close();
    }
  });

  it('events of entities are for users who may read', async () => {
    const nobody = new ClServer({ urls: platform.urls });
    await expect(nobody.events.on('entity', () => undefined)).rejects.toThrow('cannot be subscribed to');
    await nobody.events.on('job', () => undefined);
    await nobody.close();
  });

  it.runIf(hasMedia())('pictures are hashed so that turned copies of a picture are recognised', async () => {
    const names = ['orientation_1.jpg', 'orientation_3.jpg', 'rocket.jpg'];
    const [upright, turned, other] = await map(names, (name) => cl.compute.hash.compute(mediaFile(name)).output);
    expect(distance(upright?.phash ?? '', turned?.phash ?? '')).toBeLessThan(
      distance(upright?.phash ?? '', other?.phash ?? ''),
    );
  });

  it.runIf(hasMedia())('a picture is converted and saved', async () => {
    using dir = tempDir();
    const job = cl.compute.imageConversion.convert(mediaFile('coffee.png'), 'webp', { quality: 70, width: 200 });
    const { output_path, width } = await job.output;
    expect(width).toBe(200);
    const { path: saved } = await job.download(output_path, path.join(dir.path, 'c.webp'));
    expect(fs.readFileSync(saved).subarray(8, 12).toString()).toBe('WEBP');
  });
});
