/** The package as others install it: its types resolve wherever ESM does, and hide nothing behind `any`. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, Package } from '@arethetypeswrong/core';
import { projectRoot, tempDir } from '@cl-server/testing';
import { publint } from 'publint';
import { beforeAll, describe, expect, it } from 'vitest';

const root = path.join(projectRoot, 'packages/client');
const dist = path.join(root, 'dist');

const run = promisify(execFile);
/** The package and those of the project that it depends on. */
const PUBLISHED = ['client', 'contract', 'kit'] as const;
const OUTSIDE = ['mqtt', 'zod'] as const;

/** A program of somebody who installed the package. */
const PROGRAM = `
import { ClServer, resolveUrls, VERSION } from '@cl-server/client';
import { isMediaName } from '@cl-server/client/media-type';
const cl = new ClServer({ urls: { store: 'http://127.0.0.1:1/below', mqtt: 'mqtt://127.0.0.1:1' } });
const failed = await cl.store.entities.get(1, { timeoutMs: 1_000 }).catch((error) => error.code);
const events = await cl.events.on('job', () => undefined).catch((error) => error.code);
await cl.close();
console.log(JSON.stringify({ VERSION, failed, events, media: isMediaName('a.jpg'), store: resolveUrls().store }));
`;

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** Packs a package of the project, and unpacks it where Node finds it. */
async function install(name: string, folder: string): Promise<readonly string[]> {
  const from = path.join(projectRoot, 'packages', name);
  const env = { ...process.env, PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env['PATH']}` };
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: from, env });
  const [packed] = JSON.parse(stdout) as [Packed];
  const to = path.join(folder, 'node_modules/@cl-server', name);
  fs.mkdirSync(to, { recursive: true });
  await run('tar', ['-xf', path.join(folder, packed.filename), '-C', to, '--strip-components=1']);
  return packed.files.map((file) => file.path);
}

/** All places in a manifest's exports and imports. */
const targetsOf = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : value instanceof Object ? Object.values(value).flatMap(targetsOf) : [];

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

  it('works when it is installed from its archive, with everything that its manifest and maps refer to', async () => {
    using dir = tempDir('cl-packed-');
    const licence = fs.readFileSync(path.join(projectRoot, 'LICENSE'), 'utf8');
    for (const name of PUBLISHED) {
      const files = await install(name, dir.path);
      expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts']));
      expect(files.filter((file) => /tsbuildinfo|(^|\/)test\//.test(file))).toEqual([]);
      const at = path.join(dir.path, 'node_modules/@cl-server', name);
      expect(fs.readFileSync(path.join(at, 'LICENSE'), 'utf8')).toBe(licence);
      const { exports, imports } = JSON.parse(fs.readFileSync(path.join(at, 'package.json'), 'utf8'));
      for (const target of targetsOf([exports, imports])) expect(files).toContain(target.replace(/^\.\//, ''));
      const map = JSON.parse(fs.readFileSync(path.join(at, 'dist/index.js.map'), 'utf8')) as { sources: string[] };
      for (const source of map.sources) expect(files).toContain(path.join('dist', source));
    }
    for (const name of OUTSIDE)
      fs.symlinkSync(path.join(projectRoot, 'node_modules', name), path.join(dir.path, 'node_modules', name));
    fs.writeFileSync(path.join(dir.path, 'program.mjs'), PROGRAM);
    const { stdout } = await run(process.execPath, ['program.mjs'], { cwd: dir.path });
    expect(JSON.parse(stdout)).toEqual({
      VERSION: expect.stringMatching(/^\d/),
      failed: 'network',
      events: 'network',
      media: true,
      store: 'http://localhost:8001',
    });
  });

  it('is put together as it should be', async () => {
    const { messages } = await publint({ pkgDir: root, strict: true, pack: false });
    expect(messages).toEqual([]);
  });
});
