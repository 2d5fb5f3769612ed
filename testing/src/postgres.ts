/** A private PostgreSQL server for the test run, and a new database for each test that needs one. */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { freePort, tempDir, which } from './files.js';
import { needs } from './requirements.js';
import { eventually } from './wait.js';

export interface PostgresServer {
  readonly url: string;
  stop(): Promise<void>;
}

function programFolder(): string | undefined {
  const debian = '/usr/lib/postgresql';
  if (fs.existsSync(debian)) {
    const newest = fs.readdirSync(debian).sort((a, b) => Number(b) - Number(a))[0];
    if (newest && fs.existsSync(path.join(debian, newest, 'bin/initdb'))) return path.join(debian, newest, 'bin');
  }
  const initdb = which('initdb');
  return initdb && path.dirname(initdb);
}

/** PostgreSQL refuses to run as root; then it runs as Debian's `postgres` user. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

const FAST = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'];

/**
 * Starts a server in a private folder on a free port of loopback; undefined if PostgreSQL is not installed.
 * @param durable whether it waits for the disk like a real server; for benchmarks
 */
export async function startPostgres({ durable = false } = {}): Promise<PostgresServer | undefined> {
  const bin = programFolder();
  if (!bin) return undefined;
  const user = serverUser();
  const dir = tempDir('cl-pg-');
  if (user) fs.chownSync(dir.path, user.uid, user.gid);
  const data = path.join(dir.path, 'data');
  const as = { ...user, stdio: 'ignore' as const, cwd: dir.path };
  execFileSync(
    path.join(bin, 'initdb'),
    ['-D', data, '-U', 'test', '-A', 'trust', '-E', 'UTF8', '--no-locale', '-N'],
    as,
  );
  const port = await freePort();
  const options = [
    '-D',
    data,
    '-p',
    String(port),
    '-k',
    dir.path,
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'max_connections=300',
    ...(durable ? [] : FAST.flatMap((setting) => ['-c', setting])),
  ];
  const server = spawn(path.join(bin, 'postgres'), options, as);
  const url = `postgres://test@127.0.0.1:${port}/postgres`;
  const gone = new Promise<void>((resolve) => server.on('exit', () => resolve()));
  await eventually(
    async () => {
      const client = new pg.Client({ connectionString: url });
      try {
        await client.connect();
        return true;
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    { what: 'PostgreSQL' },
  );
  return {
    url,
    stop: async () => {
      server.kill('SIGQUIT');
      await gone;
      dir.remove();
    },
  };
}

/** The server of the test run; the global setup sets the variable. */
const serverUrl = (): string | undefined => process.env.CL_TEST_POSTGRES_URL;

export const hasPostgres = (): boolean => needs('postgres', serverUrl() !== undefined);

export interface TestDatabase {
  readonly url: string;
  drop(): Promise<void>;
}

async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** Creates a new PostgreSQL database. */
export async function postgresDatabase(): Promise<TestDatabase> {
  const server = serverUrl();
  if (!server) throw new Error('no PostgreSQL server: check hasPostgres() first');
  const name = `t_${randomBytes(8).toString('hex')}`;
  await onServer(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => onServer(server, `drop database if exists ${name} with (force)`) };
}

export interface Backend {
  readonly name: 'sqlite' | 'postgres';
  /** Creates a new, empty database. */
  create(): Promise<TestDatabase>;
}

/** The databases on which a suite runs: `describe.each(backends())`. */
export function backends(): Backend[] {
  const sqlite: Backend = {
    name: 'sqlite',
    create: async () => {
      const dir = tempDir('cl-db-');
      return { url: `sqlite://${path.join(dir.path, 'test.db')}`, drop: async () => dir.remove() };
    },
  };
  return hasPostgres() ? [sqlite, { name: 'postgres', create: postgresDatabase }] : [sqlite];
}
