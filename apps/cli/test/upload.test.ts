/** Tests uploads and the names of collections against a whole platform that is started for this file. */
import fs from 'node:fs';
import path from 'node:path';
import { projectRoot, type TempDir, tempDir } from '@cl-server/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endPlatform, PASSWORD, startTestPlatform, type TestPlatform } from '../../server/test/platform/support.js';
import { EXIT } from '../src/index.js';
import { run } from './support/world.js';

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
    const similar = await refused('holidays');
    expect(similar.code).toBe(EXIT.notFound);
    expect(similar.err).toContain(`Did you mean ${holidays} (Holidays)?`);
    expect((await refused('Nowhere')).err).toContain('There is no collection Nowhere');
    expect((await refused('/Twice')).code).toBe(EXIT.notFound);
    expect((await refused('/')).code).toBe(EXIT.usage);
  });
});
