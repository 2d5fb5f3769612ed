/** The package as others install it: its types resolve wherever ESM does, and hide nothing behind `any`. */
import fs from 'node:fs';
import path from 'node:path';
import { checkPackage, Package } from '@arethetypeswrong/core';
import { projectRoot } from '@cl-server/testing';
import { publint } from 'publint';
import { beforeAll, describe, expect, it } from 'vitest';

const root = path.join(projectRoot, 'packages/client');
const dist = path.join(root, 'dist');

/** Resolutions in which there is nothing to find: the package is ESM, and says what it exports. */
const NOT_FOR_ESM = ['node10', 'node16-cjs'];

describe.runIf(fs.existsSync(path.join(dist, 'index.d.ts')))('the package', () => {
  let built: { readonly name: string; readonly text: string }[];
  beforeAll(() => {
    built = fs
      .readdirSync(dist, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(js|d\.ts)$/.test(name))
      .map((name) => ({ name, text: fs.readFileSync(path.join(dist, name), 'utf8') }));
  });

  it('has types that resolve', async () => {
    const manifest = fs.readFileSync(path.join(root, 'package.json'), 'utf8');
    const { name, version } = JSON.parse(manifest) as { name: string; version: string };
    const files = Object.fromEntries(built.map((file) => [`/node_modules/${name}/dist/${file.name}`, file.text]));
    const checked = await checkPackage(
      new Package({ ...files, [`/node_modules/${name}/package.json`]: manifest }, name, version),
    );
    expect(checked.types).toMatchObject({ kind: 'included' });
    const problems = 'problems' in checked ? checked.problems : [];
    const real = problems.filter((one) => !('resolutionKind' in one && NOT_FOR_ESM.includes(one.resolutionKind)));
    expect(real).toEqual([]);
  });

  it('has no any in what it declares', () => {
    const declared = built.filter(({ name }) => name.endsWith('.d.ts'));
    expect(declared.length).toBeGreaterThan(20);
    const found = declared.flatMap(({ name, text }) =>
      text
        .replace(/\/\*[\s\S]*?\*\//g, '')
        .split('\n')
        .flatMap((line) => (/[:<|&(,=]\s*any\b/.test(line) ? [`${name}: ${line.trim()}`] : [])),
    );
    expect(found).toEqual([]);
  });

  it('is put together as it should be', async () => {
    const { messages } = await publint({ pkgDir: root, strict: true, pack: false });
    expect(messages).toEqual([]);
  });
});
