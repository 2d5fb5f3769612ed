/**
 * One process that opens files of clients, as the store sees it.
 *
 * ```
 * idle --work--> busy --answer--> idle
 *   |             |
 *   |             +-- exit, time limit --> gone (the work fails)
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
/** A picture of 150 megapixels with 16 bits a channel takes 1.2 GB. Kept by the kernel where it can. */
const MEMORY = 2 * 1024 ** 3;
/** Megabytes of JavaScript: what a file's metadata may become in memory. */
const HEAP = 256;

const DIED = new MediaError('task_failed', 'The file cannot be read: the program that tried to ended over it');

/** Its reasons are its own: a time limit, or what the child said. */
const failed = (code: MediaErrorCode, message: string): MediaError => new MediaError(code, message);

export class MediaProcess {
  readonly #child: ChildProcess;
  #settle: ((answer: FromMediaProcess | MediaError) => void) | undefined;
  #isGone = false;
  #isEnding = false;

  /** @param onGone told once, when the process can take no more work */
  constructor(settings: MediaSettings, logger: Logger, onGone: () => void) {
    const node = [process.execPath, `--max-old-space-size=${HEAP}`, PROGRAM];
    const [program, ...args] = limitedCommand(node, { data: MEMORY });
    // A group of its own, so that tools end with it; of the environment it needs the way to its tools alone.
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { PATH: process.env['PATH'], TMPDIR: process.env['TMPDIR'], LANG: 'C.UTF-8' },
    });
    this.#child = child;
    let lastWords = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      lastWords = (lastWords + text).slice(-2_000);
    });
    const end = (reason: string): void => {
      if (this.#isGone) return;
      this.#isGone = true;
      this.#killGroup();
      if (this.#settle) logger.warn({ reason, lastWords }, 'the process that reads files ended over one');
      this.#settle?.(DIED);
      onGone();
    };
    child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
    child.once('error', (error) => end(error.message));
    child.on('message', (message) => this.#onMessage(message));
    this.#send({ type: 'start', settings });
  }

  get isIdle(): boolean {
    return !this.#isGone && !this.#isEnding && this.#settle === undefined;
  }

  /**
   * Does one piece of work; only where it is idle.
   * @param within milliseconds; the process is ended then
   * @throws MediaError, Error
   */
  async perform(work: MediaWork, within: number): Promise<unknown> {
    const answered = new Promise<FromMediaProcess | MediaError>((resolve) => {
      this.#settle = resolve;
    });
    this.#send({ type: 'work', work });
    const timer = setTimeout(() => {
      this.#settle?.(failed('timeout', `The file took longer than ${Math.round(within / 1000)} s to read`));
      this.end();
    }, within);
    const answer = await answered;
    clearTimeout(timer);
    this.#settle = undefined;
    if (answer instanceof MediaError) throw failed(answer.code, answer.message);
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
    if (checked.success) this.#settle?.(checked.data);
    else this.end();
  }

  /** A channel that is closed says so by the exit that follows. */
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
