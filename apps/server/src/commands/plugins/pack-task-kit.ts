/**
 * Packs the task kit for a plugin outside of this installation: one npm archive that contains the kit with its tests' support
 * and types, and the packages of the platform that it imports. Only zod is left to be installed from the registry.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '@cl-server/kit';
import { StartupError } from '@cl-server/service-kit';

const run = promisify(execFile);

const KIT = '@cl-server/task-kit';

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const isOurs = (name: string): boolean => name.startsWith('@cl-server/');

/** Copies a package without its sources. @returns the external packages that it and its own packages need */
function copyPackage(name: string, to: string, root: string, seen = new Set<string>()): Record<string, string> {
  const manifestFile = createRequire(import.meta.url).resolve(`${name}/package.json`);
  const manifest = JSON.parse(fs.readFileSync(manifestFile, 'utf8')) as Manifest;
  const { dependencies = {} } = manifest;
  const ours = Object.keys(dependencies).filter(isOurs);
  const external = Object.fromEntries(Object.entries(dependencies).filter(([dependency]) => !isOurs(dependency)));
  fs.cpSync(path.join(path.dirname(manifestFile), 'dist'), path.join(to, 'dist'), {
    recursive: true,
    filter: (file) => !/\.(?:map|tsbuildinfo)$/.test(file),
  });
  for (const dependency of ours.filter((candidate) => !seen.has(candidate))) {
    seen.add(dependency);
    Object.assign(external, copyPackage(dependency, path.join(root, 'node_modules', dependency), root, seen));
  }
  const packed =
    name === KIT
      ? {
          ...manifest,
          dependencies: { ...Object.fromEntries(ours.map((own) => [own, '*'])), ...external },
          bundleDependencies: ours,
        }
      : manifest;
  fs.writeFileSync(path.join(to, 'package.json'), JSON.stringify({ ...packed, devDependencies: {} }, null, 2));
  return external;
}

/** @param target the archive that is made */
export async function packTaskKit(target: string): Promise<void> {
  const stage = fs.mkdtempSync(path.join(os.tmpdir(), 'cl-task-kit-'));
  try {
    copyPackage(KIT, stage, stage);
    const { stdout } = await run('npm', ['pack', '--silent', '--ignore-scripts'], { cwd: stage });
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.copyFileSync(path.join(stage, stdout.trim().split('\n').at(-1) ?? ''), target);
  } catch (error) {
    throw new StartupError(`the task kit could not be packed (${messageOf(error)}); npm must be installed`, 1, {
      cause: error,
    });
  } finally {
    fs.rmSync(stage, { recursive: true, force: true });
  }
}
