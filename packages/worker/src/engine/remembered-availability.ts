/**
 * The memory of which tasks could run at the last start, kept in `task_availability.json` of the data folder, where no task
 * can write. A start believes it as long as nothing has changed that a set-up depends on, and starts no task process
 * until there is a job.
 *
 * A failure is not kept, with one exception: a missing model, which is tried again soon after the start. What
 * turns out wrong at the first job is forgotten; the job goes back to the queue, as it does for every task that cannot
 * run any more.
 */
import fs from 'node:fs';
import path from 'node:path';
import { messageOf } from '@cl-server/kit';
import type { Logger } from '@cl-server/service-kit';
import { z } from 'zod';
import type { TaskState } from '../runners/runner.js';

const rememberedState = z.discriminatedUnion('state', [
  z.object({ state: z.literal('ready') }),
  z.object({ state: z.literal('unavailable'), code: z.literal('model_missing'), reason: z.string() }),
]);
export type RememberedState = z.infer<typeof rememberedState>;

/** The states by fingerprint, the latest last, and then by task. */
const contents = z.array(z.object({ fingerprint: z.string(), tasks: z.record(z.string(), rememberedState) }));
type Contents = z.infer<typeof contents>;

/** Workers with different settings share the file. */
const MOST_FINGERPRINTS = 8;
/** Milliseconds in which the answers of a start are collected, to be written at once. */
const WRITE_AFTER = 300;

export interface RememberedOptions {
  readonly dataDir: string;
  /** Asked at the start and before each write; undefined: nothing is believed or kept. */
  readonly fingerprint: () => string | undefined;
  readonly logger: Logger;
}

export class RememberedAvailability {
  readonly #options: RememberedOptions;
  readonly #file: string;
  /** The states that task processes reported since the last write. */
  readonly #said = new Map<string, TaskState>();
  #timer: NodeJS.Timeout | undefined;
  /** The states that are believed at this start, by task. */
  readonly believed: ReadonlyMap<string, RememberedState>;

  constructor(options: RememberedOptions) {
    this.#options = options;
    this.#file = path.join(options.dataDir, 'task_availability.json');
    const fingerprint = options.fingerprint();
    const entry = this.#read().find((candidate) => candidate.fingerprint === fingerprint);
    this.believed = new Map(Object.entries(entry?.tasks ?? {}));
  }

  /** A task process has said whether it can run a task. */
  learned(task: string, state: TaskState): void {
    this.#said.set(task, state);
    this.#timer ??= setTimeout(() => this.#write(), WRITE_AFTER).unref();
  }

  close(): void {
    if (this.#said.size > 0) this.#write();
  }

  #read(): Contents {
    try {
      return contents.parse(JSON.parse(fs.readFileSync(this.#file, 'utf8')));
    } catch {
      return []; // absent or damaged: everything is learned again
    }
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const fingerprint = this.#options.fingerprint();
    const said = [...this.#said];
    this.#said.clear();
    if (fingerprint === undefined) return;
    const before = this.#read();
    const tasks = new Map(Object.entries(before.find((entry) => entry.fingerprint === fingerprint)?.tasks ?? {}));
    for (const [task, state] of said) {
      const kept = rememberedState.safeParse(state);
      if (kept.success) tasks.set(task, kept.data);
      else tasks.delete(task);
    }
    const others = before.filter((entry) => entry.fingerprint !== fingerprint);
    const after: Contents = [...others, { fingerprint, tasks: Object.fromEntries(tasks) }].slice(-MOST_FINGERPRINTS);
    if (JSON.stringify(after) === JSON.stringify(before)) return;
    // The file is only a cache: after a power cut, or on a full disk, the next start learns again.
    try {
      const draft = `${this.#file}.${process.pid}.draft`;
      fs.writeFileSync(draft, JSON.stringify(after), { mode: 0o640 });
      fs.renameSync(draft, this.#file);
    } catch (error) {
      this.#options.logger.debug({ reason: messageOf(error) }, 'the list of tasks that can run could not be saved');
    }
  }
}
