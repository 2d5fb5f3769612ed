/** Every combination of ids and contents, and what is concluded from it. */
import fs from 'node:fs';
import path from 'node:path';
import { type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FolderIdentity, type IdentityRow } from '../src/folder-identity.js';

const memoryRow = (initial?: string): IdentityRow & { readonly id: string | undefined } => {
  let id = initial;
  return {
    get id() {
      return id;
    },
    read: async () => id,
    claim: async (given) => {
      id ??= given;
    },
    replace: async (given) => {
      id = given;
    },
  };
};

describe('whether a folder and a database belong together', () => {
  let dir: TempDir;
  let folder = '';
  beforeEach(() => {
    dir = tempDir();
    folder = path.join(dir.path, 'media');
    fs.mkdirSync(path.join(folder, '.incoming'), { recursive: true });
  });
  afterEach(() => dir.remove());

  const file = () => path.join(folder, '.identity');
  const put = (name: string) => fs.writeFileSync(path.join(folder, name), 'x');
  const identity = (row: IdentityRow, expected: readonly string[] = [], mayDecide = true) =>
    new FolderIdentity({
      what: 'media folder',
      folder,
      row,
      expected: async () => expected,
      command: 'store adopt',
      mayDecide,
    });
  const idOfFolder = () => fs.readFileSync(file(), 'utf8').trim();

  it.each([
    ['both are new', undefined, undefined, [], [], undefined],
    ['files of the rows are there, made before ids were', undefined, undefined, ['a'], ['gone', 'a'], undefined],
    ['the ids are the same, whatever the contents', 'one', 'one', ['a'], [], undefined],
    ['the folder carries an id and both are empty', undefined, 'one', [], [], undefined],
    ['the folder lost its id, files of the rows are there', 'one', undefined, ['a'], ['a'], undefined],
    ['the ids differ', 'one', 'two', ['a'], ['a'], /belongs to another database/],
    ['the database is empty and the folder is full', undefined, undefined, ['a'], [], /database is empty/],
    ['the folder of another library, a new database', undefined, 'one', ['a'], [], /database is empty/],
    ['nothing is mounted', 'one', undefined, [], ['a'], /none of the files/],
    ['nothing is mounted, made before ids were', undefined, undefined, [], ['a'], /none of the files/],
    ['the folder was replaced while there were no files', 'one', undefined, [], [], /replaced/],
  ] as const)('%s', async (_what, ofDatabase, ofFolder, inFolder, expected, verdict) => {
    for (const name of inFolder) put(name);
    if (ofFolder !== undefined) fs.writeFileSync(file(), `${ofFolder}\n`);
    const row = memoryRow(ofDatabase);
    const mismatch = await identity(row, expected).mismatch();
    if (verdict === undefined) {
      expect(mismatch).toBeUndefined();
      expect(row.id).toBe(idOfFolder());
      expect([ofDatabase, ofFolder].filter(Boolean).every((id) => id === row.id)).toBe(true);
    } else {
      expect(mismatch).toMatch(verdict);
      expect(mismatch).toContain('store adopt');
      expect([row.id, fs.existsSync(file())]).toEqual([ofDatabase, ofFolder !== undefined]);
      expect(fs.readdirSync(folder).filter((name) => name.startsWith('.identity.'))).toEqual([]);
    }
  });

  it('a worker decides nothing: it takes part where no service has started, and refuses a folder without the id', async () => {
    expect(await identity(memoryRow(), [], false).mismatch()).toBeUndefined();
    expect(fs.existsSync(file())).toBe(false);
    expect(await identity(memoryRow('one'), [], false).mismatch()).toMatch(/not the one that the services use/);
  });

  it('processes that start at once agree on one id', async () => {
    const row = memoryRow();
    const verdicts = await Promise.all(Array.from({ length: 8 }, () => identity(row).mismatch()));
    expect(verdicts).toEqual(Array(8).fill(undefined));
    expect(row.id).toBe(idOfFolder());
  });

  it('an admin’s word counts more than the contents, and work goes on with it', async () => {
    put('a');
    const checked = identity(memoryRow());
    await expect(checked.assertMatch()).rejects.toMatchObject({ status: 503, code: 'storage_mismatch' });
    await checked.adopt();
    await checked.assertMatch();
  });
});
