/**
 * Opens files of clients outside of the store's own process. A few processes open one file at a time each. They are started
 * when there is work and ended after some idle time. Uploads have priority, then previews that a client waits for, then
 * the metadata that is read in the background. If a process ends while it has a file, a new process reads the file once more:
 * most files are not the cause of such an end.
 */
import { MediaError } from '@cl-server/media';
import { HttpError, type Logger } from '@cl-server/service-kit';
import { NOTHING_READ, type ReadFacts } from '../database/facts.js';
import type { MediaInspector } from './inspector.js';
import type { PreviewRequest } from './preview-maker.js';
import { MediaProcess, ReaderEnded } from './process.js';
import { type MediaSettings, type MediaWork, previewRemark, readFacts, readTags } from './protocol.js';

export interface ReadingOptions extends MediaSettings {
  readonly logger: Logger;
}

/** The kinds of work, each with its own queue, in the order of priority. */
const KINDS = ['sniff', 'facts', 'preview', 'tags'] as const;
type Kind = (typeof KINDS)[number];

const MAX_PROCESSES = 3;
/** The maximum number of files in work. One process stays free for uploads. */
const MAX_RUNNING: Readonly<Record<Kind, number>> = { sniff: MAX_PROCESSES, facts: MAX_PROCESSES, preview: 2, tags: 1 };
/** The lengths of the queues. Uploads are limited when they arrive, but each reader may request previews. */
const MAX_WAITING: Readonly<Record<Kind, number>> = { sniff: 1_000, facts: 1_000, preview: 64, tags: 10 };
/** The time limit for one file without its waiting time. The header of a video may lie at its end. */
const TIMEOUT_MS: Readonly<Record<Kind, number>> = { sniff: 5_000, facts: 25_000, preview: 60_000, tags: 60_000 };
/** An idle process is ended after this time. */
const IDLE_MS = 30_000;
const RETRY_AFTER_SECONDS = '5';

interface Waiting {
  readonly work: MediaWork;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Whether a process ended over this file before. */
  readonly isRepeated: boolean;
}

export interface ReadTagsText {
  readonly facts: ReadFacts;
  /** All tags as JSON. */
  readonly tags: string;
}

/** The ways in which the store reads the bytes of a file. */
export interface MediaReading extends Pick<MediaInspector, 'facts'> {
  tags(file: string): Promise<ReadTagsText>;
  /**
   * @returns a remark if the picture is damaged; else null
   * @throws MediaError; HttpError 503 if too many files wait
   */
  preview(request: PreviewRequest): Promise<string | null>;
  close(): Promise<void>;
}

export class MediaProcesses implements MediaReading {
  readonly #options: ReadingOptions;
  readonly #processes = new Set<MediaProcess>();
  readonly #waiting = new Map<Kind, Waiting[]>(KINDS.map((kind) => [kind, []]));
  readonly #running = new Map<Kind, number>(KINDS.map((kind) => [kind, 0]));
  #idleTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: ReadingOptions) {
    this.#options = options;
  }

  /** A file that crashes its reader is kept like any other, with its type and the remark that the rest could not be read. */
  async facts(file: string): Promise<ReadFacts> {
    try {
      return (await this.#ask({ kind: 'facts', file }, readFacts)) as ReadFacts;
    } catch (error) {
      if (!(error instanceof MediaError)) throw error;
      const kind = await this.#ask({ kind: 'sniff', file }, readFacts).catch((again: unknown) => {
        if (!(again instanceof MediaError)) throw again;
        return { ...NOTHING_READ, mime_type: 'application/octet-stream', type: 'file', extension: 'bin' };
      });
      return { ...(kind as ReadFacts), metadata_error: error.message };
    }
  }

  async tags(file: string): Promise<ReadTagsText> {
    return (await this.#ask({ kind: 'tags', file }, readTags)) as ReadTagsText;
  }

  preview(request: PreviewRequest): Promise<string | null> {
    return this.#ask({ kind: 'preview', ...request }, previewRemark);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#idleTimer);
    for (const process of this.#processes) process.end();
    for (const waiting of this.#waiting.values())
      for (const { reject } of waiting.splice(0)) reject(new MediaError('cancelled', 'The server is shutting down'));
  }

  async #ask<T>(work: MediaWork, schema: { parse(value: unknown): T }): Promise<T> {
    return schema.parse(await this.#queue(work));
  }

  #queue(work: MediaWork): Promise<unknown> {
    const waiting = this.#waitingOf(work.kind);
    if (this.#isClosed) throw new MediaError('cancelled', 'The server is shutting down');
    if (waiting.length >= MAX_WAITING[work.kind])
      throw new HttpError(503, 'Too many files wait to be read: try again later', {
        headers: { 'retry-after': RETRY_AFTER_SECONDS },
      });
    return new Promise((resolve, reject) => {
      waiting.push({ work, resolve, reject, isRepeated: false });
      this.#serve();
    });
  }

  #waitingOf(kind: Kind): Waiting[] {
    return this.#waiting.get(kind) ?? [];
  }

  #next(): Waiting | undefined {
    const kind = KINDS.find(
      (one) => this.#waitingOf(one).length > 0 && (this.#running.get(one) ?? 0) < MAX_RUNNING[one],
    );
    return kind && this.#waitingOf(kind).shift();
  }

  #serve(): void {
    if (this.#isClosed) return;
    for (;;) {
      const idle = [...this.#processes].find(({ isIdle }) => isIdle);
      if (!idle && this.#processes.size >= MAX_PROCESSES) return;
      const next = this.#next();
      if (!next) return;
      // Another process that exists may be about to end for the same reason.
      if (next.isRepeated) idle?.end();
      void this.#run((next.isRepeated ? undefined : idle) ?? this.#start(), next);
    }
  }

  async #run(process: MediaProcess, waiting: Waiting): Promise<void> {
    const { work, resolve, reject, isRepeated } = waiting;
    const { kind } = work;
    this.#running.set(kind, (this.#running.get(kind) ?? 0) + 1);
    clearTimeout(this.#idleTimer);
    try {
      resolve(await process.perform(work, TIMEOUT_MS[kind]));
    } catch (error) {
      if (error instanceof ReaderEnded && !isRepeated && !this.#isClosed)
        this.#waitingOf(kind).unshift({ ...waiting, isRepeated: true });
      else reject(error);
    }
    this.#running.set(kind, (this.#running.get(kind) ?? 1) - 1);
    this.#serve();
    if ([...this.#processes].every(({ isIdle }) => isIdle)) this.#endIdleLater();
  }

  #start(): MediaProcess {
    const { logger, ...settings } = this.#options;
    const started: MediaProcess = new MediaProcess(settings, logger, () => {
      this.#processes.delete(started);
      this.#serve();
    });
    this.#processes.add(started);
    return started;
  }

  #endIdleLater(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      for (const process of this.#processes) if (process.isIdle) process.end();
    }, IDLE_MS);
    this.#idleTimer.unref();
  }
}
