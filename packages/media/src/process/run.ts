/** Runs external programs with limits. */
import { type ChildProcess, spawn } from 'node:child_process';
import os from 'node:os';
import { MediaError } from '../errors.js';
import { limitedCommand } from './limits.js';

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the program is killed. */
  readonly timeout: number;
  /** Maximum number of bytes of standard output; more is a failure. */
  readonly maxOutput?: number;
  /** Bytes of writable memory, if the kernel enforces such limits; by default half of the machine's, between 1 and 6 GB. */
  readonly memory?: number;
  readonly cwd?: string | undefined;
  /** Called with each line of standard output, which is then not collected. */
  readonly onLine?: (line: string) => void;
}

export interface RunResult {
  readonly code: number | null;
  readonly stdout: Buffer;
  /** The last 8 KB, from the beginning of a line. */
  readonly stderr: string;
}

const GIGABYTE = 1024 ** 3;
/** A conversion of an 8K video takes some gigabytes; a file that asks for more must not take those of other processes. */
const USUAL_MEMORY = Math.min(Math.max(Math.floor(os.totalmem() / 2), GIGABYTE), 6 * GIGABYTE);

const MISSING = 'A required program could not be started';
const NOT_FOUND = 127;

const STDERR_TAIL = 8 * 1024;

/**
 * Runs a program to its end. Both pipes are always drained; the program is killed on abort, on time-out and if it
 * writes too much. It stays in the caller's process group, so that it ends with it.
 * @throws MediaError `cancelled`, `timeout`, `invalid_input` (too much output) or `tool_missing`
 */
export async function run(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const { signal, timeout, maxOutput = 16 * 1024 * 1024, memory = USUAL_MEMORY, cwd, onLine } = options;
  if (signal?.aborted) throw new MediaError('cancelled', 'The work was cancelled');
  const [command, ...rest] = limitedCommand([program, ...args], { data: memory });
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin', LC_ALL: 'C.UTF-8' },
  });
  let failure: MediaError | undefined;
  const kill = (error: MediaError): void => {
    failure ??= error;
    child.kill('SIGKILL');
  };
  const onAbort = (): void => kill(new MediaError('cancelled', 'The work was cancelled'));
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(
    () => kill(new MediaError('timeout', `The file took longer than ${Math.round(timeout / 1000)} s to process`)),
    timeout,
  );
  try {
    const out = collect(child, { maxOutput, onLine }, kill);
    const code = await closed(child);
    if (failure) throw failure;
    // The programs that set the limits end so if they cannot start another one.
    if (code === NOT_FOUND && command !== program) throw new MediaError('tool_missing', MISSING);
    return { code, stdout: Buffer.concat(out.chunks), stderr: out.stderr() };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

function closed(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new MediaError('tool_missing', MISSING, { cause: error })));
    child.on('close', resolve);
  });
}

function collect(
  child: ChildProcess,
  { maxOutput, onLine }: Pick<RunOptions, 'onLine'> & { maxOutput: number },
  kill: (error: MediaError) => void,
) {
  const chunks: Buffer[] = [];
  let size = 0;
  let line = '';
  let tail = '';
  let isCut = false;
  child.stdout?.on('data', (chunk: Buffer) => {
    if (onLine) {
      const lines = (line + chunk.toString('utf8')).split('\n');
      line = lines.pop()?.slice(-10_000) ?? '';
      for (const one of lines) onLine(one);
      return;
    }
    size += chunk.length;
    if (size > maxOutput) kill(new MediaError('invalid_input', 'The file unpacks to more data than is allowed'));
    else chunks.push(chunk);
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    tail += chunk.toString('utf8');
    isCut ||= tail.length > STDERR_TAIL;
    tail = tail.slice(-STDERR_TAIL);
  });
  // A partial line could be half an address or half a path, which the filters would not recognize.
  const whole = (): string => (isCut && tail.includes('\n') ? tail.slice(tail.indexOf('\n') + 1) : tail);
  return { chunks, stderr: whole };
}
