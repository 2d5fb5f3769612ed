/** Counts streams regularly: growing streams every few seconds, all streams at the start and every hour. */
import type { Logger } from '@cl-server/service-kit';
import type { Streams } from './streams.js';

export interface StreamMeterOptions {
  readonly streams: Pick<Streams, 'countGrowing' | 'countAll'>;
  readonly logger: Logger;
  /** Milliseconds between two counts of growing streams; default 5 seconds. */
  readonly every?: number | undefined;
}

const HOUR = 3_600_000;

export class StreamMeter {
  readonly #options: StreamMeterOptions;
  #timers: NodeJS.Timeout[] = [];
  #running: Promise<void> = Promise.resolve();
  #isBusy = false;

  constructor(options: StreamMeterOptions) {
    this.#options = options;
  }

  start(): void {
    const { streams, every = 5_000 } = this.#options;
    this.#timers = [
      setInterval(() => this.#run(() => streams.countGrowing()), every),
      setInterval(() => this.#run(() => streams.countAll()), HOUR),
    ];
    for (const timer of this.#timers) timer.unref();
    this.#run(() => streams.countAll());
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#running;
  }

  #run(work: () => Promise<void>): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#running = work()
      .catch((error: unknown) => {
        this.#options.logger.error({ err: error }, 'streams could not be counted; it is tried again later');
      })
      .finally(() => {
        this.#isBusy = false;
      });
  }
}
