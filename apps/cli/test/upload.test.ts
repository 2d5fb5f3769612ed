/** Tests uploads and the names of collections against a whole platform that is started for this file. */
import fs from 'node:fs';
import path from 'node:path';
import { Writable } from 'node:stream';
import { projectRoot, type TempDir, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endPlatform, PASSWORD, startTestPlatform, type TestPlatform } from '../../server/test/platform/support.js';
import { EXIT, main } from '../src/index.js';
import { screenOf } from './support/screen.js';
import { run, testWorld } from './support/world.js';

const built = fs.existsSync(path.join(projectRoot, 'apps/server/dist/main.js'));

describe.runIf(built)('cl-client store upload', () => {
  let platform: TestPlatform;
  let home: TempDir;
  let env: Record<string, string>;
  const cl = (...args: string[]) => run(env, args);

  beforeAll(async () => {
    platform = await startTestPlatform();
    home = tempDir();
    const { auth, store, compute, mqtt } = platform.urls;
    env = { CL_CONFIG_DIR: home.path, AUTH_URL: auth, STORE_URL: store, COMPUTE_URL: compute, MQTT_URL: mqtt };
    expect((await cl('login', '-u', 'admin', '-p', PASSWORD)).code).toBe(EXIT.ok);
  }, 120_000);
  afterAll(async () => {
    if (platform) await endPlatform(platform);
    home?.remove();
  });

  const folder = (files: Readonly<Record<string, string>>): TempDir => {
    const dir = tempDir();
    for (const [name, content] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(dir.path, name)), { recursive: true });
      fs.writeFileSync(path.join(dir.path, name), content);
    }
    return dir;
  };

  /** Creates a collection. @returns its id */
  async function collection(label: string, parent?: number): Promise<number> {
    const inside = parent === undefined ? [] : ['--parent', String(parent)];
    return (await cl('store', 'create', label, ...inside, '--json')).json<{ id: number }>().id;
  }

  it('finds a collection by its id, name or path, and refuses an ambiguous name with the candidates', async () => {
    const holidays = await collection('Holidays');
    const year = await collection('2024', holidays);
    const work = await collection('Work');
    const workYear = await collection('2024', work);
    const slashed = await collection('Sea/Sand');
    let n = 0;
    const parentOf = async (name: string): Promise<number | null> => {
      using dir = folder({ 'a.jpg': `collection by name ${n++}` });
      const sent = await cl('store', 'upload', path.join(dir.path, 'a.jpg'), '--parent', name, '--json');
      expect([name, sent.code, sent.err]).toEqual([name, EXIT.ok, '']);
      return sent.json<{ parent_id: number }>().parent_id;
    };
    expect(await parentOf(String(year))).toBe(year);
    expect(await parentOf('Holidays')).toBe(holidays);
    expect(await parentOf('Holidays/2024')).toBe(year);
    expect(await parentOf('/Work/2024/')).toBe(workYear);
    expect(await parentOf('Sea/Sand')).toBe(slashed);
    using dir = folder({ 'a.jpg': 'not uploaded' });
    const refused = async (name: string) => cl('store', 'upload', path.join(dir.path, 'a.jpg'), '--parent', name);
    await collection('Twice', holidays);
    await collection('Twice', work);
    const twice = await refused('Twice');
    expect(twice.code).toBe(EXIT.conflict);
    expect(twice.err).toContain('2 collections are called Twice');
    expect(twice.err).toMatch(
      /\d+ \(Holidays\/Twice\).*\d+ \(Work\/Twice\)|\d+ \(Work\/Twice\).*\d+ \(Holidays\/Twice\)/,
    );
    expect((await refused('Holidays/nowhere')).err).toContain('cl-client store create "nowhere" --parent "Holidays"');
    expect((await cl('store', 'get', 'nowhere')).err).toContain('Files are named by their id');
    const similar = await refused('holidays');
    expect(similar.code).toBe(EXIT.notFound);
    expect(similar.err).toContain(`Did you mean ${holidays} (Holidays)?`);
    expect((await refused('Nowhere')).err).toContain('There is no collection Nowhere');
    expect((await refused('/Twice')).code).toBe(EXIT.notFound);
    expect((await refused('/')).code).toBe(EXIT.usage);
  });

  interface Line {
    readonly file: string;
    readonly outcome: string;
    readonly id: number | null;
    readonly entity?: { readonly id: number; readonly parent_id: number | null; readonly label: string };
    readonly message?: string;
    readonly error?: { readonly message: string };
  }
  const linesOf = ({ out }: { readonly out: string }): Line[] =>
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  const outcomes = (ran: { readonly out: string }): string[] =>
    linesOf(ran).map(({ file, outcome }) => `${file} ${outcome}`);
  const inside = (dir: TempDir, name: string): string => path.join(dir.path, name);

  it('prints one shape of NDJSON for one file, for many, and for failures', async () => {
    using dir = folder({ 'a.jpg': 'ndjson a', 'empty.jpg': '', 'z.jpg': 'ndjson z' });
    const [one] = linesOf(await cl('store', 'upload', inside(dir, 'a.jpg'), '--ndjson'));
    expect(one).toMatchObject({ file: 'a.jpg', outcome: 'uploaded', id: one?.entity?.id });
    const many = await cl('store', 'upload', dir.path, '--ndjson');
    expect(many.code).toBe(EXIT.failed);
    expect(outcomes(many)).toEqual(['a.jpg present', 'empty.jpg failed', 'z.jpg uploaded']);
    expect(linesOf(many)[1]).toMatchObject({ id: null, error: { message: 'the file is empty' } });
    const missing = await cl('store', 'upload', inside(dir, 'gone.jpg'), inside(dir, 'a.jpg'), '--ndjson');
    expect(missing.code).toBe(EXIT.failed);
    expect(linesOf(missing)).toMatchObject([{ outcome: 'present' }, { error: { message: 'no such file' } }]);
    const failed = await cl('store', 'upload', inside(dir, 'empty.jpg'), '--ndjson');
    expect(failed.code).toBe(EXIT.badInput);
    expect(linesOf(failed)).toMatchObject([{ file: 'empty.jpg', outcome: 'failed', id: null }]);
  });

  it('lists only what is new, and summarises known and skipped files', async () => {
    using dir = folder({ 'a.jpg': 'listed a', 'b.jpg': 'listed b', 'notes.txt': 'no', '.hidden.jpg': 'no' });
    fs.symlinkSync('/etc/hostname', inside(dir, 'link.jpg'));
    await cl('store', 'upload', inside(dir, 'a.jpg'));
    const planned = await cl('store', 'upload', dir.path, '--dry-run');
    expect(planned.out).toMatch(/^would upload +- {2}b\.jpg\n$/);
    expect(planned.err).toContain('1 would be uploaded, 1 already on the server, 0 failed');
    const sent = await cl('store', 'upload', dir.path);
    expect(sent.code).toBe(EXIT.ok);
    expect(sent.out).toMatch(/^uploaded +\d+ {2}b\.jpg\n$/);
    expect(sent.err).toContain('1 uploaded, 1 already on the server, 0 failed');
    expect(sent.err).toContain('Skipped: 1 × hidden, 1 × symbolic link, 1 × not media (--all-types includes them)');
    const all = await cl('store', 'upload', dir.path, '--verbose');
    expect(all.out.match(/^present +\d+ {2}[ab]\.jpg$/gm)).toHaveLength(2);
  });

  it('turns folders into collections once, and puts every file into its own', async () => {
    using dir = folder({
      'trip/a.jpg': 'trip a',
      'trip/day 1/b.jpg': 'trip b',
      'trip/day 1/copy.jpg': 'trip a',
      'trip/day 2/c.jpg': 'trip c',
    });
    const top = await collection('Trips');
    const upload = () =>
      cl('store', 'upload', inside(dir, 'trip'), '--collections', '--parent', 'Trips', '-c', '1', '--ndjson');
    const planned = await cl('store', 'upload', inside(dir, 'trip'), '--collections', '--parent', 'Trips', '--dry-run');
    expect(planned.err).toContain('Collections that would be created: 3');
    expect(planned.out).toMatch(/^would upload +- {2}day 2\/c\.jpg {2}\(to Trips\/trip\/day 2\)$/m);
    const first = await upload();
    expect(outcomes(first)).toEqual([
      'a.jpg uploaded',
      'day 1/b.jpg uploaded',
      'day 1/copy.jpg elsewhere',
      'day 2/c.jpg uploaded',
    ]);
    expect(linesOf(first)[2]?.message).toBe('in Trips/trip');
    const tree = async (parent: number): Promise<string[]> =>
      (await cl('store', 'list', '--parent', String(parent), '--json'))
        .json<{ items: { label: string }[] }>()
        .items.map(({ label }) => label)
        .sort();
    expect(await tree(top)).toEqual(['trip']);
    const trip = (await cl('store', 'list', '--parent', String(top), '--quiet')).out.trim();
    expect(await tree(Number(trip))).toEqual(['a.jpg', 'day 1', 'day 2']);
    expect(outcomes(await upload())).toEqual([
      'a.jpg present',
      'day 1/b.jpg present',
      'day 1/copy.jpg elsewhere',
      'day 2/c.jpg present',
    ]);
    expect(await tree(Number(trip))).toEqual(['a.jpg', 'day 1', 'day 2']);
    await cl('store', 'delete', trip);
    const hidden = await upload();
    expect([...new Set(outcomes(hidden).map((line) => line.split(' ').slice(-2).join(' ')))]).toEqual(['in trash']);
    expect(hidden.err).toContain('in the trash: restore them');
    expect(await tree(top)).toEqual([]);
  });

  it('puts a known file into the collection if it is in none, and moves it from another only with --move', async () => {
    using dir = folder({ 'known.jpg': 'a known file' });
    const file = inside(dir, 'known.jpg');
    const [from, to] = [await collection('From'), await collection('To')];
    const send = (...options: string[]) => cl('store', 'upload', file, ...options);
    await send();
    expect((await send('--parent', 'From', '--dry-run')).out).toMatch(/^would add .*\(to From\)$/m);
    const added = await send('--parent', 'From');
    expect(added.out).toMatch(/^added +\d+ {2}known\.jpg {2}\(to From\)$/m);
    const stays = await send('--parent', 'To');
    expect([stays.code, stays.out]).toEqual([EXIT.ok, expect.stringMatching(/^elsewhere .*\(in From\)$/m)]);
    expect(linesOf(await send('--parent', 'To', '--ndjson'))[0]?.entity?.parent_id).toBe(from);
    expect(stays.err).toContain('use --move to move them');
    const moved = await send('--parent', 'To', '--move', '--ndjson');
    expect(linesOf(moved)).toMatchObject([{ outcome: 'moved', entity: { parent_id: to } }]);
    expect(linesOf(await send('--parent', 'To', '--move', '--ndjson'))).toMatchObject([{ outcome: 'present' }]);
    expect((await send('--label', 'Other')).out).toContain('its label was not changed');
    expect((await send('--move')).code).toBe(EXIT.usage);
  });

  it('uploads the bytes of standard input, and the files of a list', async () => {
    const png = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=',
      'base64',
    );
    const piped = await run(env, ['store', 'upload', '-', '--json'], png);
    expect(piped.json()).toMatchObject({ label: 'stdin.png', mime_type: 'image/png', file_size: png.length });
    const named = await run(env, ['store', 'upload', '-', '--name', 'folder/dot.jpg', '--json'], 'named bytes');
    expect(named.json()).toMatchObject({ label: 'dot.jpg', file_name: 'dot.jpg' });
    using dir = folder({ 'a.jpg': 'from a list a', 'b c.jpg': 'from a list b', list: '' });
    const listed = await run(
      env,
      ['store', 'upload', '--files-from', '-', '--ndjson'],
      `${inside(dir, 'a.jpg')}\n${inside(dir, 'b c.jpg')}\n`,
    );
    expect(outcomes(listed)).toEqual(['a.jpg uploaded', 'b c.jpg uploaded']);
    fs.writeFileSync(inside(dir, 'list'), `${inside(dir, 'a.jpg')}\0`);
    expect(outcomes(await cl('store', 'upload', '--files-from', inside(dir, 'list'), '--ndjson'))).toEqual([
      'a.jpg present',
    ]);
    for (const words of [[], ['--name', 'x', 'y'], ['-', '--files-from', '-'], ['-', '-']])
      expect((await cl('store', 'upload', ...words)).code).toBe(EXIT.usage);
  });

  it('shows the reasons of failures and escaped names on a terminal of 80 columns', async () => {
    const name = `\u001b]0;pwned\u0007${'long '.repeat(20)}.jpg`;
    using dir = folder({ 'a.jpg': 'terminal a', 'empty.jpg': '', [name]: 'terminal long' });
    const terminal: string[] = [];
    const world = { ...testWorld({ ...env, TERM: 'xterm', NO_COLOR: '1' }), ...terminals(terminal, 80) };
    expect(await main(['store', 'upload', dir.path], world)).toBe(EXIT.failed);
    const shown = screenOf(terminal.join(''), 80);
    expect(shown).toContain('! empty.jpg: the file is empty');
    expect(shown.filter((line) => line.startsWith('uploaded'))).toHaveLength(2);
    expect(shown.every((line) => line.length <= 80)).toBe(true);
    expect(shown.at(-1)).toBe('error: 1 of 3 failed');
    expect(terminal.join('')).toContain('of 3 files');
    expect(terminal.join('')).not.toContain('\u001b]0;');
  });
});

/** Standard output and standard error that are one terminal. */
function terminals(text: string[], columns: number) {
  const stream = Object.assign(
    new Writable({
      decodeStrings: false,
      write: (chunk: string, _encoding, done) => {
        text.push(chunk);
        done();
      },
    }),
    { isTTY: true, columns },
  );
  return { stdout: stream, stderr: stream };
}
