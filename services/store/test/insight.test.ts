/** The platform analyses every photo without a request, and searches find it. */
import fs from 'node:fs';
import path from 'node:path';
import type {
  EntityJob,
  Face,
  KnownPerson,
  PersonDecision,
  SearchResults,
  SimilarEntities,
  SimilarFaces,
} from '@cl-server/contract';
import { sharp } from '@cl-server/media';
import { decodeNpy } from '@cl-server/models';
import {
  backends,
  eventually,
  hasFfmpeg,
  hasMedia,
  hasModels,
  makeVideo,
  mediaFile,
  modelFile,
  tempDir,
} from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InsightPlatform, isBuilt } from './support/insight.js';

const FACES = ['face_obama_1.jpg', 'face_obama_2.jpg', 'face_biden_1.jpg', 'face_astronaut.png'];
const canRun = isBuilt && hasMedia() && hasModels();

describe.runIf(canRun).each(backends())('insight on $name', (backend) => {
  let platform: InsightPlatform;
  const ids = new Map<string, number>();
  const idOf = (name: string): number => ids.get(name) ?? Number.NaN;
  const add = async (name: string, bytes = fs.readFileSync(mediaFile(name))): Promise<number> => {
    const { json, status } = await platform.store.upload(bytes, name, { label: name });
    if (status !== 201) throw new Error(`${name}: ${status}`);
    ids.set(name, json.id);
    return json.id;
  };
  const facesOf = async (name: string): Promise<Face[]> =>
    (await platform.store.get<Face[]>(`/intelligence/entities/${idOf(name)}/faces`)).json;
  const persons = async (query = ''): Promise<KnownPerson[]> =>
    (await platform.store.get<KnownPerson[]>(`/intelligence/known-persons${query}`)).json;

  beforeAll(async () => {
    platform = await InsightPlatform.start(backend);
    for (const name of [...FACES, 'cat.png', 'coffee.png']) await add(name);
    // The same photo, smaller and compressed harder: a near duplicate.
    await add('coffee_small.jpg', await sharp(mediaFile('coffee.png')).resize(300).jpeg({ quality: 60 }).toBuffer());
    // Pictures without structure have near pHashes and are no duplicates.
    for (const background of ['teal', 'maroon', 'black']) {
      const plain = sharp({ create: { width: 90, height: 60, channels: 3, background } });
      await add(`${background}.png`, await plain.png().toBuffer());
    }
    for (const id of ids.values()) await platform.settled(id);
  });
  afterAll(() => platform?.stop());

  it('completes every photo, with faces, vectors and jobs', async () => {
    for (const name of ids.keys()) {
      const state = await platform.intelligence(idOf(name));
      expect(state, name).toMatchObject({
        overall_status: 'completed',
        face_count: name.startsWith('face_') ? 1 : 0,
        error_message: null,
        inference_status: { face_detection: 'completed', clip_embedding: 'completed', dino_embedding: 'completed' },
      });
      const jobs = (await platform.store.get<EntityJob[]>(`/intelligence/entities/${idOf(name)}/jobs`)).json;
      expect(jobs.map(({ task_type }) => task_type)).toEqual(
        expect.arrayContaining(['hash', 'face_detection', 'clip_embedding', 'dino_embedding']),
      );
      expect(new Set(jobs.map(({ status }) => status))).toEqual(new Set(['completed']));
    }
    const id = idOf('cat.png');
    for (const [kind, length] of [
      ['clip', 512],
      ['dino', 384],
    ] as const) {
      const file = await platform.store.get(`/intelligence/entities/${id}/${kind}_embedding`);
      expect(file.headers.get('content-disposition')).toBe(`attachment; filename=entity_${id}_${kind}_embedding.npy`);
      expect(decodeNpy(file.bytes).length).toBe(length);
    }
    const [face] = await facesOf('face_obama_1.jpg');
    expect(decodeNpy((await platform.store.get(`/intelligence/faces/${face?.id}/embedding`)).bytes).length).toBe(128);
  });

  it('puts two photos of one person into one person, and nobody else', async () => {
    const all = await eventually(async () => {
      const found = await persons();
      return found.reduce((sum, { face_count }) => sum + face_count, 0) === FACES.length ? found : undefined;
    });
    expect(all.map(({ face_count }) => face_count).sort()).toEqual([1, 1, 2]);
    const [one] = await facesOf('face_obama_1.jpg');
    const [two] = await facesOf('face_obama_2.jpg');
    expect(one?.known_person_id).toBe(two?.known_person_id);
    const similar = (await platform.store.get<SimilarFaces>(`/intelligence/faces/${one?.id}/similar?limit=1`)).json;
    expect(similar.results[0]).toMatchObject({ face_id: two?.id, known_person_id: two?.known_person_id });
    expect(similar.results[0]?.score).toBeGreaterThan(0.5);
  });

  it('finds near duplicates and suggests the better one', async () => {
    const list = await eventually(async () => {
      const { json } = await platform.store.get<{ items: { entities: { id: number }[]; best_entity_id: number }[] }>(
        '/intelligence/duplicates',
      );
      return json.items.length > 0 ? json.items : undefined;
    });
    expect(list).toHaveLength(1);
    expect(list[0]?.entities.map(({ id }) => id)).toEqual([idOf('coffee.png'), idOf('coffee_small.jpg')]);
    expect(list[0]?.best_entity_id).toBe(idOf('coffee.png'));
  });

  it.each(['clip', 'dino', 'phash'])('ranks by %s without the entity itself, with filters and paging', async (by) => {
    const base = `/intelligence/entities/${idOf('coffee.png')}/similar?by=${by}`;
    const { results } = (await platform.store.get<SimilarEntities>(base)).json;
    expect(results[0]?.entity_id).toBe(idOf('coffee_small.jpg'));
    expect(results.map(({ score }) => score)).toEqual([...results].map(({ score }) => score).sort((a, b) => b - a));
    expect(results.map(({ entity_id }) => entity_id)).not.toContain(idOf('coffee.png'));
    const first = (await platform.store.get<SimilarEntities>(`${base}&limit=2`)).json;
    const second = (await platform.store.get<SimilarEntities>(`${base}&limit=2&cursor=${first.next_cursor}`)).json;
    expect([...first.results, ...second.results].map(({ entity_id }) => entity_id)).toEqual(
      results.slice(0, 4).map(({ entity_id }) => entity_id),
    );
    const filtered = (await platform.store.get<SimilarEntities>(`${base}&mime_type=image/png`)).json;
    expect(filtered.results.map(({ entity }) => entity.mime_type)).toEqual(filtered.results.map(() => 'image/png'));
    const strict = (await platform.store.get<SimilarEntities>(`${base}&score_threshold=0.9`)).json;
    expect(strict.results.every(({ score }) => score >= 0.9)).toBe(true);
  });

  it('searches by text and by an uploaded picture', async () => {
    const byText = await platform.store.get<SearchResults>('/intelligence/search?text=a%20cup%20of%20coffee');
    expect(byText.status).toBe(503); // The folder has no tokenizer.
    expect(byText.headers.get('retry-after')).toBeTruthy();
    fs.copyFileSync(modelFile('clip-tokenizer/tokenizer.json'), path.join(platform.modelsDir, 'tokenizer.json'));
    const ask = async (text: string, more = ''): Promise<SearchResults> => {
      const target = `/intelligence/search?text=${encodeURIComponent(text)}${more}`;
      const answer = () => platform.store.get<SearchResults>(target);
      return eventually(async () => {
        const { status, json } = await answer();
        return status === 200 && json;
      });
    };
    const cup = await ask('a cup of coffee', '&limit=100');
    expect(cup.results.map(({ entity_id }) => entity_id).sort((a, b) => a - b)).toEqual([...ids.values()]);
    const scores = cup.results.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    const other = await ask('an astronaut', '&limit=100');
    expect(other.results.map(({ score }) => score)).not.toEqual(scores);
    const png = await ask('a cup of coffee', '&limit=1&mime_type=image/png');
    expect(png.results).toEqual(cup.results.filter(({ entity }) => entity.mime_type === 'image/png').slice(0, 1));
    const bytes = await sharp(mediaFile('cat.png')).jpeg({ quality: 40 }).toBuffer();
    for (const by of ['clip', 'phash']) {
      const found = await platform.store.call<SearchResults>('POST', '/intelligence/search?limit=1', {
        form: { by, file: { name: 'q.jpg', bytes } },
      });
      expect([found.status, found.json.results[0]?.entity_id]).toEqual([200, idOf('cat.png')]);
    }
    const bad = await platform.store.call('POST', '/intelligence/search', {
      form: { file: { name: 'q.jpg', bytes: Buffer.from('no picture') } },
    });
    expect(bad.status).toBe(422);
  });

  it('lets users decide who is who, follows the decision, and undoes it', async () => {
    const [biden] = await facesOf('face_biden_1.jpg');
    const [astronaut] = await facesOf('face_astronaut.png');
    const into = biden?.known_person_id as number;
    const other = astronaut?.known_person_id as number;
    const post = <T>(target: string, json: unknown, method = 'POST') =>
      platform.store.call<T>(method, target, { json });
    expect((await post<KnownPerson>(`/intelligence/known-persons/${into}`, { name: 'Joe' }, 'PATCH')).json.name).toBe(
      'Joe',
    );
    expect(
      (await post<KnownPerson>(`/intelligence/known-persons/${into}/merge`, { person_ids: [other] })).json.face_count,
    ).toBe(2);
    expect((await platform.store.get(`/intelligence/known-persons/${other}`)).status).toBe(404);
    const split = await post<KnownPerson>(`/intelligence/known-persons/${into}/split`, {
      face_ids: [astronaut?.id],
      name: 'Eileen',
    });
    expect([split.status, split.json.name, split.json.face_count]).toEqual([201, 'Eileen', 1]);
    expect((await post(`/intelligence/known-persons/${into}/merge`, { person_ids: [into] })).status).toBe(422);
    const moved = await post<Face>(`/intelligence/faces/${astronaut?.id}/person`, { person_id: null }, 'PUT');
    expect(moved.json.known_person_id).toBeNull();
    const decisions = async () =>
      (await platform.store.get<{ items: PersonDecision[] }>('/intelligence/person-decisions')).json.items;
    expect((await decisions()).map(({ kind }) => kind)).toEqual(['move', 'split', 'merge', 'name']);
    const [last, before] = await decisions();
    expect((await post(`/intelligence/person-decisions/${before?.id}/undo`, {})).status).toBe(409);
    expect((await post<PersonDecision>(`/intelligence/person-decisions/${last?.id}/undo`, {})).json.undone).toBe(true);
    expect((await facesOf('face_astronaut.png'))[0]?.known_person_id).toBe(split.json.id);
    await platform.store.call('PUT', `/intelligence/known-persons/${split.json.id}/hidden`, {
      form: { hidden: 'true' },
    });
    expect((await persons()).map(({ name }) => name)).not.toContain('Eileen');
    expect((await persons('?include_hidden=true')).map(({ name }) => name)).toContain('Eileen');
  });

  it('deletes all data of a removed face and of a removed entity', async () => {
    const [face] = await facesOf('face_obama_2.jpg');
    expect((await platform.store.call('DELETE', `/faces/${face?.id}`)).status).toBe(204);
    expect((await platform.intelligence(idOf('face_obama_2.jpg')))?.face_count).toBe(0);
    expect((await platform.store.call('DELETE', `/faces/${face?.id}`)).status).toBe(404);
    const id = idOf('coffee_small.jpg');
    await platform.store.patch(id, { is_deleted: 'true' });
    const { results } = (
      await platform.store.get<SimilarEntities>(`/intelligence/entities/${idOf('coffee.png')}/similar`)
    ).json;
    expect(results.map(({ entity_id }) => entity_id)).not.toContain(id);
    await platform.store.remove(id);
    expect((await platform.store.get(`/intelligence/entities/${id}`)).status).toBe(404);
  });

  it('analyses a replaced file again', async () => {
    const id = idOf('cat.png');
    const bytes = await sharp(mediaFile('rocket.jpg')).png().toBuffer();
    await platform.store.call('PUT', `/entities/${id}`, {
      form: { is_collection: 'false', label: 'rocket', media_file: { name: 'r.png', bytes } },
    });
    const { md5 } = (await platform.store.get(`/entities/${id}`)).json;
    await eventually(
      async () => {
        const state = await platform.intelligence(id);
        return (
          state?.overall_status === 'completed' &&
          state.last_processed_version === 2 &&
          state.last_processed_md5 === md5
        );
      },
      { within: 30_000, every: 100 },
    );
  });

  it('reports what failed and why, and retries on request', async () => {
    const id = await add(
      'broken.jpg',
      Buffer.concat([fs.readFileSync(mediaFile('bad_truncated.jpg')), Buffer.from('x')]),
    );
    const state = await platform.settled(id);
    expect(state.overall_status).toBe('failed');
    expect(state.error_message).toMatch(/clip_embedding: /);
    const jobsOf = async (): Promise<string[]> =>
      (await platform.store.get<EntityJob[]>(`/intelligence/entities/${id}/jobs`)).json
        .filter(({ task_type }) => task_type === 'clip_embedding')
        .map(({ job_id }) => job_id);
    const [first] = await jobsOf();
    const again = await platform.store.call('POST', `/intelligence/entities/${id}/retry`);
    expect(again.status).toBe(200);
    await eventually(async () => (await jobsOf())[0] !== first, { what: 'another job' });
    expect((await platform.settled(id)).overall_status).toBe('failed');
  });

  it('analyses the readable part of a damaged picture, and adds a remark', async () => {
    const whole = fs.readFileSync(mediaFile('face_obama_1.jpg'));
    const id = await add('half.jpg', whole.subarray(0, whole.length * 0.7));
    expect((await platform.settled(id)).overall_status).toBe('completed');
    const { json } = await platform.store.get<{ metadata_error: string | null }>(`/entities/${id}`);
    expect(json.metadata_error).toMatch(/^The picture is damaged/);
  });

  it.runIf(hasFfmpeg())('understands a video by its frames', async () => {
    using dir = tempDir();
    const file = makeVideo(`${dir.path}/v.mp4`, { seconds: 2 });
    const id = await add('v.mp4', fs.readFileSync(file));
    expect(await platform.settled(id)).toMatchObject({
      overall_status: 'completed',
      face_count: null,
      inference_status: { hash: 'completed', media_thumbnail: 'completed', face_detection: 'not_applicable' },
    });
    const { json: video } = await platform.store.get<{ sha256: string }>(`/entities/${id}`);
    const made = path.join(
      platform.store.mediaDir,
      '.derived/previews',
      video.sha256.slice(0, 2),
      `${video.sha256}.png`,
    );
    const preview = fs.readFileSync(made);
    expect(await sharp(preview).metadata()).toMatchObject({ format: 'png', width: 256 });
    const shown = async (query = '') =>
      Buffer.from((await platform.store.get(`/entities/${id}/preview${query}`)).bytes);
    expect((await shown()).equals(preview)).toBe(true);
    expect((await shown('?force=true')).equals(preview)).toBe(true);
    const like = (await platform.store.get<SimilarEntities>(`/intelligence/entities/${id}/similar`)).json;
    expect(like.results.length).toBeGreaterThan(0);
  });

  it('continues after its processes were killed', async () => {
    const before = [...ids.values()].length;
    const noise = (seed: number) =>
      sharp({
        create: { width: 200, height: 150, channels: 3, background: { r: seed * 20, g: 90, b: 200 - seed * 15 } },
      })
        .png()
        .toBuffer();
    const added: number[] = [];
    for (let n = 0; n < 10; n++) {
      added.push(await add(`noise_${n}`, await noise(n)));
      if (n === 3) await platform.kill('insight');
      if (n === 6) await platform.kill('worker');
    }
    await platform.run('insight');
    await platform.kill('insight');
    await platform.run('worker');
    await platform.run('insight');
    for (const id of added) expect((await platform.settled(id)).overall_status).toBe('completed');
    expect([...ids.values()].length).toBe(before + 10);
  });
});
