/** Checks Node, the tools of the system, and packages with native code. */

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '@cl-server/kit';
import { type Environment, findTool, howToGet, TOOLS } from '../platform/tools.js';
import { type Finding, missing, ok } from './requirement.js';

const execute = promisify(execFile);
const CHECK_TIMEOUT_MS = 15_000;
const NODE_MIN = [22, 14] as const;

export function nodeFinding(version: string, file: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const enough = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
  return enough
    ? ok('Node', file, version)
    : missing('Node', file, `install Node 24 (${NODE_MIN.join('.')} or newer is needed)`, version);
}

export function toolFindings(env: Environment): Promise<Finding[]> {
  return Promise.all(
    TOOLS.map(async (tool) => {
      const file = findTool(tool, env);
      if (!file) return missing(tool.name, '', howToGet(tool, env));
      try {
        const args = tool.name === 'perl' ? ['-e', 'printf "%vd", $^V'] : ['-hide_banner', '-version'];
        const { stdout } = await execute(file, args, { timeout: CHECK_TIMEOUT_MS });
        // eslint-disable-next-line regexp/no-super-linear-move -- the first lines of a program of this machine
        return ok(tool.name, file, /\d+(\.\d+)+[\w.+~-]*/.exec(stdout)?.[0] ?? 'unknown');
      } catch (error) {
        return missing(tool.name, file, `it does not run: ${messageOf(error).split('\n')[0]}`);
      }
    }),
  );
}

interface NativePackage {
  readonly name: string;
  /** The workspace that uses the package. */
  readonly user: string;
  /** A script that uses the package and prints its version. */
  readonly probe: string;
}

const NATIVE: readonly NativePackage[] = [
  {
    name: 'better-sqlite3',
    user: '@cl-server/store',
    probe: `const D=require('better-sqlite3');console.log('SQLite '+new D(':memory:').prepare('select sqlite_version()').pluck().get())`,
  },
  { name: 'sharp', user: '@cl-server/tasks', probe: `console.log('libvips '+require('sharp').versions.vips)` },
  {
    name: 'onnxruntime-node',
    user: '@cl-server/models',
    probe: `require('onnxruntime-node');console.log(require('onnxruntime-node/package.json').version)`,
  },
  {
    name: 'exiftool-vendored',
    user: '@cl-server/tasks',
    probe: `const{ExifTool}=require('exiftool-vendored');const e=new ExifTool({maxProcs:1});e.version().then(v=>{console.log('ExifTool '+v);return e.end()})`,
  },
];

/** Checks each package in its own process, because native code that does not fit this Node can end the process that loads it. */
export function nativeFindings(): Promise<Finding[]> {
  return Promise.all(
    NATIVE.map(async ({ name, user, probe }) => {
      const folder = path.dirname(createRequire(import.meta.url).resolve(`${user}/package.json`));
      try {
        const { stdout } = await execute(process.execPath, ['-e', probe], { cwd: folder, timeout: CHECK_TIMEOUT_MS });
        return ok(name, 'npm package', stdout.trim());
      } catch (error) {
        const reason =
          messageOf(error)
            .split('\n')
            .find((line) => /Error/.test(line)) ?? 'it does not load';
        return missing(name, 'npm package', `run "npm ci" again (${reason.trim()})`);
      }
    }),
  );
}
