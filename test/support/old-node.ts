/** A copy of the code that continues on a downloaded Node, with stand-ins for everything that it downloads. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { projectRoot, type TempDir, tempDir } from '@cl-server/testing';

const PLATFORM = `${process.platform}-${process.arch}`;
const VERSION = process.versions.node;

const integrityOf = (file: string): string =>
  `sha512-${createHash('sha512').update(fs.readFileSync(file)).digest('base64')}`;

/** Makes a process believe that it is Node 20; processes that it starts are not affected. */
const OLD = `delete process.env.NODE_OPTIONS;
Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2', napi: '9' } });`;

/** A program that begins like each of ours. It prints where it runs, and waits to be ended if requested. */
const PROGRAM = `#!/usr/bin/env node
import { onSupportedNode } from './packages/contract/bin/supported-node.js';
onSupportedNode(() => import('./body.js'));`;
const BODY = `import { execFileSync } from 'node:child_process';
if (process.argv[2] === 'wait') setInterval(() => {}, 1000);
if (process.argv[2] === 'wait') process.on('SIGTERM', () => process.exit(7)).on('SIGINT', () => process.exit(8));
const found = execFileSync('sh', ['-c', 'for name in node npm npx; do command -v $name; done; npm --version'], { encoding: 'utf8' }).trim().split('\\n');
const names = ['npm_execpath', 'npm_config_user_agent', 'CL_SERVER_LIFELINE'].filter((name) => name in process.env);
console.log(JSON.stringify({ pid: process.pid, args: process.argv.slice(2), found, names }));
if (process.argv[2] === 'fail') process.exitCode = 9;`;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  /** The lines on standard error. */
  readonly told: readonly string[];
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** The first line on standard output. */
  firstLine(): Promise<string>;
}

export class OldNode {
  readonly #dir: TempDir = tempDir('cl-old-node-');
  readonly #archives = new Map<string, { readonly version: string; readonly file: string }>();
  readonly #server = http.createServer((request, response) => this.#answer(request, response));
  /** The requested paths. */
  readonly asked: string[] = [];
  /** While this is set, no archive is sent completely. */
  stalls = false;

  static async start(): Promise<OldNode> {
    const old = new OldNode();
    old.#server.listen(0, '127.0.0.1');
    await once(old.#server, 'listening');
    old.#copy();
    old.#pack(`node-${PLATFORM}`, VERSION, { 'bin/node': `#!/bin/sh\nexec ${process.execPath} "$@"\n`, LICENSE: '' });
    old.#pack('npm', '11.0.0', {
      'bin/npm-cli.js': '#!/usr/bin/env node\nconsole.log("npm of the fetched Node");\n',
      'bin/npx-cli.js': '#!/usr/bin/env node\n',
      [`lib/${'long/'.repeat(25)}name.js`]: '',
    });
    old.pin();
    return old;
  }

  readonly cache = path.join(this.#dir.path, 'cache');
  readonly project = path.join(this.#dir.path, 'project');

  /** The folders in the cache that programs use, and leftovers. */
  get cached(): string[] {
    return fs.existsSync(`${this.cache}/cl-server`) ? fs.readdirSync(`${this.cache}/cl-server`) : [];
  }

  #copy(): void {
    const copied = ['scripts', 'packages/contract/bin', 'packages/contract/package.json', 'package.json'];
    for (const item of copied)
      fs.cpSync(path.join(projectRoot, item), path.join(this.project, item), { recursive: true });
    fs.writeFileSync(path.join(this.project, 'program.js'), PROGRAM);
    fs.writeFileSync(path.join(this.project, 'body.js'), BODY);
    fs.writeFileSync(path.join(this.project, 'old.cjs'), OLD);
  }

  #pack(name: string, version: string, files: Readonly<Record<string, string>>): void {
    const folder = path.join(this.#dir.path, 'packing', name);
    const content = { 'package.json': JSON.stringify({ name, version }), ...files };
    for (const [file, text] of Object.entries(content)) {
      const target = path.join(folder, 'package', file);
      fs.mkdirSync(path.dirname(target), { recursive: true });
      fs.writeFileSync(target, text, { mode: file.startsWith('bin/') ? 0o755 : 0o644 });
    }
    const file = path.join(this.#dir.path, `${name}.tgz`);
    execFileSync('tar', ['--format=ustar', '-czf', file, '-C', folder, 'package']);
    this.#archives.set(name, { version, file });
  }

  /** Writes the versions that the project expects; `changed` replaces the expected checksum of Node. */
  pin({ platform = PLATFORM, changed }: { platform?: string; changed?: string } = {}): void {
    const integrity = (name: string): string => integrityOf(this.#archives.get(name)?.file ?? '');
    const pinned = {
      node: VERSION,
      nodes: { [VERSION]: { [platform]: changed ?? integrity(`node-${PLATFORM}`) } },
      npm: { version: '11.0.0', integrity: integrity('npm') },
    };
    fs.writeFileSync(path.join(this.project, 'scripts/node/pinned.json'), JSON.stringify(pinned));
  }

  #answer({ url = '' }: http.IncomingMessage, response: http.ServerResponse): void {
    this.asked.push(url);
    const { port } = this.#server.address() as AddressInfo;
    const [, name = '', archive] = url.split('/');
    const found = this.#archives.get(name);
    if (!found) return void response.writeHead(404).end();
    if (archive === undefined) {
      const dist = { integrity: integrityOf(found.file), tarball: `http://127.0.0.1:${port}/${name}/archive.tgz` };
      const versions = { [found.version]: { name, version: found.version, dist } };
      return void response.end(JSON.stringify({ name, 'dist-tags': { latest: found.version }, versions }));
    }
    const bytes = fs.readFileSync(found.file);
    if (this.stalls)
      return void response.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, 9));
    response.end(bytes);
  }

  /** Runs a file of the project on an old Node, or on this one. */
  run(
    args: readonly string[],
    { old = true, env = {}, file = 'program.js' }: { old?: boolean; env?: NodeJS.ProcessEnv; file?: string } = {},
  ): Running {
    const { port } = this.#server.address() as AddressInfo;
    const child = spawn(process.execPath, [path.join(this.project, file), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        HOME: path.join(this.#dir.path, 'home'),
        XDG_CACHE_HOME: this.cache,
        npm_config_registry: `http://127.0.0.1:${port}/`,
        npm_config_cache: path.join(this.#dir.path, 'npm-cache'),
        npm_config_fetch_retries: '0',
        npm_config_user_agent: 'npm/9.2.0 node/v20.20.2 linux x64',
        ...(old && { NODE_OPTIONS: `--require ${path.join(this.project, 'old.cjs')}` }),
        ...env,
      },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const ended = once(child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout,
      told: stderr.trim().split('\n').filter(Boolean),
    }));
    const firstLine = async (): Promise<string> => {
      while (!stdout.includes('\n')) {
        const over = await Promise.race([once(child.stdout, 'data').then(() => false), ended.then(() => true)]);
        if (over && !stdout.includes('\n')) throw new Error(`it ended without a line: ${stderr}`);
      }
      return stdout.split('\n')[0] ?? '';
    };
    return { child, ended, firstLine };
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
    this.#dir.remove();
  }
}
