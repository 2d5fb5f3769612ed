import { PassThrough, Writable } from 'node:stream';
import { main, type World } from '../../src/index.js';

/** The environment of a program without a terminal. */
export interface TestWorld extends World {
  readonly out: () => string;
  readonly err: () => string;
}

function collector(): { stream: Writable; text: () => string } {
  const parts: Buffer[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      parts.push(Buffer.from(chunk));
      done();
    },
  });
  return { stream, text: () => Buffer.concat(parts).toString('utf8') };
}

export function testWorld(
  env: Readonly<Record<string, string>> = {},
  input: string | Uint8Array = '',
  signal?: AbortSignal,
): TestWorld {
  const stdout = collector();
  const stderr = collector();
  const stdin = new PassThrough();
  stdin.end(input);
  return {
    env,
    stdin,
    stdout: stdout.stream,
    stderr: stderr.stream,
    signal: signal ?? new AbortController().signal,
    out: stdout.text,
    err: stderr.text,
  };
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** Parses stdout as JSON. */
  json<T = Record<string, unknown>>(): T;
}

/** Runs one command line in this process. */
export async function run(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
  input: string | Uint8Array = '',
): Promise<Ran> {
  const world = testWorld(env, input);
  const code = await main(args, world);
  return { code, out: world.out(), err: world.err(), json: <T>() => JSON.parse(world.out()) as T };
}
