/**
 * The store's side of one process that opens files of clients.
 *
 * ```
 * idle --work--> busy --answer--> idle
 *   |             |
 *   |             +-- exit, time limit --> gone (the work fails with ReaderEnded or with the limit)
 *   +-- end() --> gone
 * ```
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { limitedCommand, MediaError, type MediaErrorCode } from '@cl-server/media';
import type { Logger } from '@cl-server/service-kit';
import {
  type FromMediaProcess,
  fromMediaProcess,
  type MediaSettings,
  type MediaWork,
  type ToMediaProcess,
} from './protocol.js';

const PROGRAM = fileURLToPath(new URL('../../bin/media-runner.js', import.meta.url));
/** A picture of 150 megapixels with 16 bits per channel takes 1.2 GB. The kernel enforces the limit on systems that can. */
const MAX_MEMORY_BYTES = 2 * 1024 ** 3;
/** Limit of the JavaScript heap, which holds the metadata of a file. */
const MAX_HEAP_MB = 256;

/**
 * The process ended while it had a file, and not because of a time limit: either the file crashed it, or something else ended it,
 * such as a lack of memory on the machine.
 */
export class ReaderEnded extends MediaError {
  constructor() {
    super('task_failed', 'The file cannot be read: the process that read it crashed');
  }
}

/** Makes the error for a time limit, or for a message of the child. */
const failed = (code: MediaErrorCode, message: string): MediaError => new MediaError(code, message);

export class MediaProcess {
  readonly #child: ChildProcess;
  #answer: ((answer: FromMediaProcess | MediaError) => void) | undefined;
  #isGone = false;
  #isEnding = false;

  /** @param onGone called once, when the process can take no more work */
  constructor(settings: MediaSettings, logger: Logger, onGone: () => void) {
    const node = [process.execPath, `--max-old-space-size=${MAX_HEAP_MB}`, PROGRAM];
    const [program, ...args] = limitedCommand(node, { data: MAX_MEMORY_BYTES });
    // Its own process group makes its tools end with it. The environment has only what is needed to find tools.
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { PATH: process.env['PATH'], TMPDIR: process.env['TMPDIR'], LANG: 'C.UTF-8' },
    });
    this.#child = child;
    let stderrTail = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderrTail = (stderrTail + text).slice(-2_000);
    });
    const end = (reason: string): void => {
      if (this.#isGone) return;
      this.#isGone = true;
      this.#killGroup();
      if (this.#answer) logger.warn({ reason, stderrTail }, 'the process that reads files ended while it read one');
      this.#answer?.(new ReaderEnded());
      onGone();
    };
    child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
    child.once('error', (error) => end(error.message));
    child.on('message', (message) => this.#onMessage(message));
    this.#send({ type: 'start', settings });
  }

  get isIdle(): boolean {
    return !this.#isGone && !this.#isEnding && this.#answer === undefined;
  }

  /**
   * Does one piece of work. The process must be idle.
   * @param timeout milliseconds, after which the process is ended
   * @throws ReaderEnded, another MediaError, Error
   */
  async perform(work: MediaWork, timeout: number): Promise<unknown> {
    const answered = new Promise<FromMediaProcess | MediaError>((resolve) => {
      this.#answer = resolve;
    });
    this.#send({ type: 'work', work });
    const timer = setTimeout(() => {
      this.#answer?.(failed('timeout', `The file took longer than ${Math.round(timeout / 1000)} s to read`));
      this.end();
    }, timeout);
    const answer = await answered;
    clearTimeout(timer);
    this.#answer = undefined;
    if (answer instanceof MediaError) throw answer;
    if (answer.ok) return answer.value;
    if (answer.ok === false) throw failed(answer.code, answer.message);
    throw Object.assign(new Error(answer.message), answer.errno !== undefined && { code: answer.errno });
  }

  end(): void {
    this.#isEnding = true;
    this.#killGroup();
  }

  #onMessage(message: unknown): void {
    const checked = fromMediaProcess.safeParse(message);
    if (checked.success) this.#answer?.(checked.data);
    else this.end();
  }

  /** Errors of a closed channel are ignored, because the exit of the process follows. */
  #send(message: ToMediaProcess): void {
    this.#child.send(message, () => undefined);
  }

  #killGroup(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // gone already
    }
  }
}
