import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { AuditReport, CleanupReport, EntityMetadata } from '@cl-server/contract';
import { backends, eventually, hasMedia, mediaFile } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startStore, type TestStore } from './support/store.js';
import { ADMIN, READER, WRITER } from './support/tokens.js';

/** Names that file systems, shells and browsers may handle badly. */
const HOSTILE = [
  ...[
    '../../../../evil.jpg',
    '..%2f..%2fevil.jpg',
    '..\\..\\evil.jpg',
    '/etc/passwd',
    'C:\\Windows\\evil.exe',
    './.',
    '..',
  ],
  ...[
    '.',
    '...',
    '....',
    '.hidden',
    '.htaccess',
    '-rf',
    '--help',
    '~',
    '~/x',
    '$HOME',
    '`id`',
    '$(id)',
    ';rm',
    '|x',
    '&',
    '*',
  ],
  ...[
    '?',
    'a"b.jpg',
    "a'b.jpg",
    'a\nb.jpg',
    'a\rb.jpg',
    'a\tb.jpg',
    'a\u0000b.jpg',
    'a\u0007b',
    'a\u001b[31mb',
    'a\u007fb',
  ],
  ...['CON', 'con.jpg', 'PRN', 'AUX', 'NUL', 'nul.txt', 'COM1', 'com9.png', 'LPT1', 'lpt9.jpg', 'CLOCK$', 'aux.c'],
  ...['\u202egpj.exe', '\u200b', '\u200f.jpg', '\ufeff', '\u2028.jpg', '\u2029', '\u00a0', '\u3000', '\ue000.png'],
  ...[
    '😀.jpg',
    '👨‍👩‍👧‍👦.png',
    'é.jpg',
    'e\u0301.jpg',
    '日本語.jpg',
    'عربى.png',
    'ﬁ.jpg',
    'İ.jpg',
    'ß.jpg',
    '\ud800.jpg',
  ],
  ...['x'.repeat(300), `${'x'.repeat(300)}.jpg`, '語'.repeat(200), `${'😀'.repeat(100)}.jpeg`, `a.${'b'.repeat(300)}`],
  ...[
    'a.',
    'a..',
    'a ',
    ' a',
    'a. ',
    ' .',
    '   ',
    'a.jpg.',
    'a.jpg ',
    'a.jpg::$DATA',
    'a:b',
    'a<b>',
    '%00.jpg',
    '%2e%2e',
  ],
  ...[
    'a/b/c.jpg',
    'a//b',
    'a\\b',
    '\\\\server\\share',
    'file:///etc/passwd',
    'http://x/y.jpg',
    '<script>.jpg',
    'a;b=c.jpg',
  ],
  ...['a%00.jpg', 'desktop.ini', 'Thumbs.db', '__proto__', 'constructor', 'null', 'undefined', '0', '-1', 'a=b', 'a,b'],
];

const auditOf = async (store: TestStore): Promise<AuditReport> =>
  (await store.get<AuditReport>('/system/audit', { token: ADMIN })).json;

describe.each(backends())('uploads on $name', (backend) => {
  let store: TestStore;
  beforeAll(async () => {
    store = await startStore(backend);
  });
  afterAll(() => store.stop());

  it('stores the bytes, and answers a second upload of them with the same entity', async () => {
    const bytes = randomBytes(100_000);
    const first = await store.upload(bytes, 'one.jpg', { label: 'one' });
    expect(first.status).toBe(201);
    expect(first.json).toMatchObject({
      md5: createHash('md5').update(bytes).digest('hex'),
      sha256: createHash('sha256').update(bytes).digest('hex'),
      file_size: 100_000,
      mime_type: 'application/octet-stream',
      type: 'file',
      file_name: 'one.jpg',
      metadata_error: null,
    });
    const second = await store.upload(bytes, 'two.jpg', { label: 'two' }, 'image');
    expect([second.status, second.json]).toEqual([200, first.json]);
    expect((await store.get(`/entities/${first.json.id}/media`)).bytes.equals(bytes)).toBe(true);
  });

  it('creates one entity from thirty parallel uploads of the same bytes', async () => {
    const bytes = randomBytes(300_000);
    const replies = await Promise.all(Array.from({ length: 30 }, (_, i) => store.upload(bytes, `${i}.bin`)));
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(29);
    expect(new Set(replies.map(({ json }) => json.id)).size).toBe(1);
  });

  it('accepts thirty parallel uploads of different bytes', async () => {
    const replies = await Promise.all(Array.from({ length: 30 }, () => store.upload(randomBytes(1_000_000))));
    expect(new Set(replies.map(({ json }) => json.id)).size).toBe(30);
  });

  it('accepts deleted bytes again under a new, larger id, and then refuses to restore the old one', async () => {
    const bytes = randomBytes(1000);
    const { json: old } = await store.upload(bytes);
    await store.patch(old.id, { is_deleted: 'true' });
    const again = await store.upload(bytes);
    expect([again.status, again.json.id > old.id]).toEqual([201, true]);
    const refused = await store.patch(old.id, { is_deleted: 'false' });
    expect([refused.status, refused.json]).toMatchObject([409, { entity_id: again.json.id }]);
    await store.remove(old.id);
    expect((await store.get(`/entities/${again.json.id}/media`)).bytes.equals(bytes)).toBe(true);
    await store.patch(again.json.id, { is_deleted: 'true' });
    await store.remove(again.json.id);
    const third = await store.upload(bytes);
    expect([third.status, third.json.id > again.json.id]).toEqual([201, true]);
    expect((await store.get(`/entities/${third.json.id}/media`)).bytes.equals(bytes)).toBe(true);
  });

  it('deletes a file when no version of any entity refers to it', async () => {
    const { json: entity } = await store.upload(randomBytes(1000), 'first.bin');
    const put = await store.call('PUT', `/entities/${entity.id}`, {
      form: { is_collection: 'false', label: 'x', media_file: { name: 'second.bin', bytes: randomBytes(1000) } },
    });
    const paths = [entity.file_path ?? '', put.json.file_path ?? ''];
    expect(store.files()).toEqual(expect.arrayContaining(paths));
    await store.patch(entity.id, { is_deleted: 'true' });
    expect(store.files()).toEqual(expect.arrayContaining(paths));
    await store.remove(entity.id);
    await eventually(() => paths.every((file) => !store.files().includes(file)), { what: 'freed files' });
  });

  it('replaces a file by PUT under either field name, and refuses bytes of another live entity', async () => {
    const { json: other } = await store.upload(Buffer.from('the other'));
    const { json: entity } = await store.upload(Buffer.from('mine'));
    const put = (bytes: string, field = 'image') =>
      store.call<{ detail: string; md5: string; version: number }>('PUT', `/entities/${entity.id}`, {
        form: { is_collection: 'false', label: 'x', [field]: { name: 'n', bytes: Buffer.from(bytes) } },
      });
    const refused = await put('the other');
    expect([refused.status, refused.json.detail]).toEqual([
      409,
      `File content matches existing entity ${other.id}. Update would create a duplicate across entities.`,
    ]);
    const same = await put('mine', 'media_file');
    expect([same.status, same.json.md5]).toEqual([200, entity.md5]);
    expect((await store.get(`/entities/${entity.id}/media`)).text).toBe('mine');
    const collection = await store.collection('c');
    const form = { is_collection: 'true', label: 'x', image: { name: 'n', bytes: Buffer.from('x') } };
    expect((await store.call('PUT', `/entities/${collection.id}`, { form })).status).toBe(400);
  });

  it('accepts or refuses every hostile file name, and puts no file outside of its folder', async () => {
    for (const name of HOSTILE) {
      const { status, json } = await store.upload(randomBytes(32), name);
      expect([name, status]).toEqual([name, status === 201 ? 201 : 422]);
      if (status !== 201) continue;
      expect(json.file_path).toMatch(/^[0-9a-f]{32}\/[^/\\]+$/);
      expect(Buffer.byteLength(json.file_name ?? '')).toBeLessThanOrEqual(255);
      expect(fs.existsSync(path.join(store.mediaDir, json.file_path ?? ''))).toBe(true);
      const { headers } = await store.get(`/entities/${json.id}/media`);
      expect(headers.get('content-disposition')).toMatch(/^attachment; filename="[\x20-\x7e]+"/);
    }
    const outside = fs.readdirSync(path.dirname(store.mediaDir), { recursive: true }).map(String);
    expect(outside.filter((name) => /evil|passwd/.test(name) && !/media\/[0-9a-f]{32}/.test(name))).toEqual([]);
  });

  it('refuses an upload that is too large, interrupted or not multipart, and leaves nothing behind', async () => {
    const before = store.files().length;
    const tooLarge = await store.upload(Buffer.alloc(51_000_000));
    expect(tooLarge.status).toBe(413);
    const noBoundary = await store.call('POST', '/entities', { headers: { 'content-type': 'multipart/form-data' } });
    expect(noBoundary.status).toBe(400);
    const head =
      '--b\r\nContent-Disposition: form-data; name="is_collection"\r\n\r\nfalse\r\n' +
      '--b\r\nContent-Disposition: form-data; name="media_file"; filename="a"\r\n\r\nsome bytes';
    const truncated = await store.call('POST', '/entities', {
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      json: undefined,
    });
    expect(truncated.status).toBe(400);
    // A client announces more bytes than it sends, and disconnects.
    const { hostname, port } = new URL(store.url);
    await new Promise<void>((resolve) => {
      const socket = net.connect(Number(port), hostname, () => {
        socket.write(
          `POST /entities HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${WRITER}\r\n` +
            `Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n${head}`,
          () => socket.end(),
        );
      });
      socket.resume();
      socket.on('close', () => resolve());
    });
    const incoming = path.join(store.mediaDir, '.incoming');
    await eventually(() => fs.readdirSync(incoming).length === 0, { what: 'an empty folder of unfinished uploads' });
    expect(store.files()).toHaveLength(before);
  });

  it('leaves nothing behind if the parent does not exist, and says why', async () => {
    const before = store.files().length;
    const refused = await store.upload(randomBytes(500), 'a', { parent_id: '424242' });
    expect([refused.status, refused.json]).toMatchObject([
      422,
      { detail: 'Cannot set parent_id to 424242: parent entity does not exist' },
    ]);
    expect(store.files()).toHaveLength(before);
    expect((await auditOf(store)).orphaned_files).toEqual([]);
  });

  it('supports ranges, entity tags and HEAD', async () => {
    const bytes = randomBytes(10_000);
    const { json } = await store.upload(bytes, 'päron "x".bin');
    const media = `/entities/${json.id}/media`;
    const part = await store.get(media, { headers: { range: 'bytes=10-19' } });
    expect([part.status, part.bytes.equals(bytes.subarray(10, 20)), part.headers.get('content-range')]).toEqual([
      206,
      true,
      'bytes 10-19/10000',
    ]);
    expect((await store.get(media, { headers: { range: 'bytes=10000-' } })).status).toBe(416);
    const tag = part.headers.get('etag') ?? '';
    expect((await store.get(media, { headers: { 'if-none-match': tag } })).status).toBe(304);
    const head = await store.call('HEAD', media);
    expect([head.status, head.headers.get('content-length'), head.bytes.length]).toEqual([200, '10000', 0]);
    expect(head.headers.get('content-disposition')).toContain("filename*=utf-8''p%C3%A4ron");
  });

  it('finds orphaned, missing and damaged files, and deletes only the orphaned', async () => {
    const { json: damaged } = await store.upload(randomBytes(100), 'damaged');
    const { json: missing } = await store.upload(randomBytes(100), 'missing');
    fs.writeFileSync(path.join(store.mediaDir, damaged.file_path ?? ''), randomBytes(100));
    fs.rmSync(path.join(store.mediaDir, missing.file_path ?? ''));
    const stray = path.join(store.mediaDir, '0123456789abcdef0123456789abcdef', 'stray.bin');
    fs.mkdirSync(path.dirname(stray));
    fs.writeFileSync(stray, 'x');
    const { json: report } = await store.get<AuditReport>('/system/audit?verify=true', { token: ADMIN });
    expect(report.orphaned_files.map((file) => file.file_path)).toEqual(['0123456789abcdef0123456789abcdef/stray.bin']);
    expect(report.missing_files).toMatchObject([{ file_path: missing.file_path, entity_ids: [missing.id] }]);
    expect(report.damaged_files.map((file) => file.file_path)).toEqual([damaged.file_path]);
    expect((await store.get(`/entities/${missing.id}/media`)).status).toBe(404);
    const { json: cleared } = await store.call<CleanupReport>('POST', '/system/clear-orphans', { token: ADMIN });
    expect([cleared.files_deleted, fs.existsSync(stray)]).toEqual([1, false]);
    expect((await auditOf(store)).orphaned_files).toEqual([]);
    for (const { id } of [damaged, missing]) {
      await store.patch(id, { is_deleted: 'true' });
      await store.remove(id);
    }
  });

  it.runIf(hasMedia())('reads width, height, time, camera and place of a photo at once, the rest behind', async () => {
    const bytes = fs.readFileSync(mediaFile('exif_gps_nikon.jpg'));
    const { json } = await store.upload(bytes, 'wrong.png');
    expect(json).toMatchObject({
      width: 640,
      height: 480,
      mime_type: 'image/jpeg',
      type: 'image',
      extension: 'jpg',
      create_date: Date.UTC(2008, 9, 22, 16, 28, 39),
      camera: expect.stringMatching(/nikon/i),
      latitude: expect.closeTo(43.467, 2),
      longitude: expect.closeTo(11.885, 2),
      duration: null,
    });
    const full = await eventually(async () => {
      const { json: read } = await store.get<EntityMetadata>(`/entities/${json.id}/metadata`);
      return read.status === 'complete' ? read : undefined;
    });
    expect(Object.keys(full.tags).length).toBeGreaterThan(20);
    // The response to the upload stays true.
    expect((await store.get(`/entities/${json.id}`)).json).toEqual(json);
  });

  it.runIf(hasMedia())('recognises media by content, gives sizes upright, and survives a damaged picture', async () => {
    const turned = await store.upload(fs.readFileSync(mediaFile('orientation_6.jpg')), 'x');
    const upright = await store.upload(fs.readFileSync(mediaFile('orientation_1.jpg')), 'x');
    expect([turned.json.width, turned.json.height]).toEqual([upright.json.width, upright.json.height]);
    const heic = await store.upload(fs.readFileSync(mediaFile('example.heic')), 'x');
    expect(heic.json).toMatchObject({
      type: 'image',
      mime_type: expect.stringMatching(/^image\/hei[cf]$/),
      width: expect.any(Number),
    });
    const video = await store.upload(fs.readFileSync(mediaFile('video_plot.mp4')), 'x.jpg');
    expect(video.json).toMatchObject({ type: 'video', mime_type: 'video/mp4', duration: expect.any(Number) });
    const broken = await store.upload(fs.readFileSync(mediaFile('bad_truncated.jpg')), 'x.jpg');
    expect(broken.status).toBe(201);
    const preview = await store.get(`/entities/${broken.json.id}/preview`);
    expect(preview.status).toBeGreaterThanOrEqual(400);
    expect(preview.status).toBeLessThan(500);
  });

  it.runIf(hasMedia())(
    'shows file, preview and metadata of each version, and has the file back with the version',
    async () => {
      const files = ['face_biden_1.jpg', 'cat.png'].map((name) => fs.readFileSync(mediaFile(name)));
      const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = files;
      const { json: entity } = await store.upload(first, 'first.jpg', { label: 'one' });
      const form = { is_collection: 'false', label: 'two', image: { name: 'second.png', bytes: second } };
      const { json: replaced } = await store.call('PUT', `/entities/${entity.id}`, { form });
      const at = `/entities/${entity.id}`;
      for (const [version, bytes, then] of [
        [1, first, entity],
        [2, second, replaced],
      ] as const) {
        const query = `version=${version}`;
        expect((await store.get(`${at}?${query}`)).json).toMatchObject({ label: then.label, sha256: then.sha256 });
        const media = await store.get(`${at}/media?${query}`);
        expect([media.bytes.equals(bytes), media.headers.get('content-type')]).toEqual([true, then.mime_type]);
        const meta = await eventually(async () => {
          const { json } = await store.get<EntityMetadata>(`${at}/metadata?${query}`);
          return json.status === 'complete' ? json : undefined;
        });
        expect(meta.tags['File:MIMEType'] ?? meta.tags.MIMEType).toBe(then.mime_type);
      }
      const [old, now] = [await store.get(`${at}/preview?version=1`), await store.get(`${at}/preview`)];
      expect([old.status, now.status, old.bytes.equals(now.bytes)]).toEqual([200, 200, false]);
      await store.patch(entity.id, { is_deleted: 'true' });
      const { json: restored } = await store.call('POST', `${at}/versions/1/restore`);
      expect(restored).toMatchObject({
        label: 'one',
        sha256: entity.sha256,
        file_name: 'first.jpg',
        is_deleted: false,
      });
      expect((await store.get(`${at}/media`)).bytes.equals(first)).toBe(true);
      expect((await store.get(`${at}/preview`)).bytes.equals(old.bytes)).toBe(true);
      const versions = await store.versions(entity.id);
      expect(versions.map((row) => row.operation_type)).toEqual(['create', 'update', 'delete', 'restore']);
      for (const part of ['', '/media', '/preview', '/metadata'])
        expect((await store.get(`${at}${part}?version=9`)).status).toBe(404);
    },
  );

  it.runIf(hasMedia())('makes a preview again for those who may write, and ignores the wish of others', async () => {
    const { json } = await store.upload(fs.readFileSync(mediaFile('face_obama_1.jpg')));
    const { sha256 } = json as { sha256: string };
    const file = path.join(store.mediaDir, '.derived/previews', sha256.slice(0, 2), `${sha256}.png`);
    const made = async (token: string) => {
      const { status } = await store.get(`/entities/${json.id}/preview?force=true`, { token });
      return [status, fs.statSync(file).ino];
    };
    const [, first] = await made(WRITER);
    expect(await made(READER)).toEqual([200, first]);
    const [status, later] = await made(WRITER);
    expect([status, later === first]).toEqual([200, false]);
  });

  it.runIf(hasMedia())('shows previews as PNG, once made, and 404 where there is no picture', async () => {
    const { json: photo } = await store.upload(fs.readFileSync(mediaFile('face_obama_1.jpg')));
    const { json: video } = await store.upload(fs.readFileSync(mediaFile('video_watershed.webm')));
    for (const { id } of [photo, video]) {
      const preview = await store.get(`/entities/${id}/preview`);
      expect([preview.status, preview.headers.get('content-type'), preview.bytes.subarray(1, 4).toString()]).toEqual([
        200,
        'image/png',
        'PNG',
      ]);
      const again = await store.get(`/entities/${id}/preview`, {
        headers: { 'if-none-match': preview.headers.get('etag') ?? '' },
      });
      expect(again.status).toBe(304);
    }
    const { json: other } = await store.upload(randomBytes(10));
    expect((await store.get(`/entities/${other.id}/preview?force=1`)).status).toBe(404);
  });

  it.runIf(hasMedia())('shows a picture that is cut off as far as it goes, with a remark', async () => {
    const whole = fs.readFileSync(mediaFile('face_biden_1.jpg'));
    const { json: photo } = await store.upload(whole.subarray(0, whole.length / 2));
    expect(photo).toMatchObject({ width: expect.any(Number), metadata_error: null });
    expect((await store.get(`/entities/${photo.id}/preview`)).status).toBe(200);
    const { metadata_error: remark } = (await store.get(`/entities/${photo.id}`)).json;
    expect(remark).toMatch(/^The picture is damaged and is shown as far as it can be read \(.*premature end/);
    expect((await store.get(`/entities/${photo.id}/preview?force=1`)).status).toBe(200);
    expect((await store.get(`/entities/${photo.id}`)).json.metadata_error).toBe(remark);
  });
});
