/** Tells the broker whether reading is open to everyone, so that strangers may listen to what they may read. */
import { type StoreReading, TOPICS } from '@cl-server/contract';
import type { Broadcaster, Logger } from '@cl-server/service-kit';

export interface ReadingAnnouncerOptions {
  readonly broadcaster: Broadcaster;
  readonly isOpen: () => Promise<boolean>;
  readonly logger: Logger;
  /** Milliseconds between two looks: another process may have changed it. */
  readonly interval?: number;
}

export class ReadingAnnouncer {
  readonly #options: ReadingAnnouncerOptions;
  #topic: string | undefined;
  /** What this broker was told last; a broker that was reached again knows nothing. */
  #told: boolean | undefined;
  #timer: NodeJS.Timeout | undefined;
  #forget: (() => void) | undefined;

  constructor(options: ReadingAnnouncerOptions) {
    this.#options = options;
  }

  start(storePort: number): void {
    this.#topic = TOPICS.storeReading(storePort);
    this.#forget = this.#options.broadcaster.onConnect(() => {
      this.#told = undefined;
      void this.tell();
    });
    this.#timer = setInterval(() => void this.tell(), this.#options.interval ?? 10_000);
    this.#timer.unref();
  }

  /** Where it cannot be found out, the broker keeps what it knows; at first that reading is closed. */
  async tell(): Promise<void> {
    const { broadcaster, isOpen, logger } = this.#options;
    if (this.#topic === undefined || !broadcaster.connected) return;
    try {
      const open = await isOpen();
      if (open === this.#told) return;
      const message: StoreReading = { open };
      if (await broadcaster.publish(this.#topic, message, { retain: true })) this.#told = open;
    } catch (error) {
      logger.debug({ err: error }, 'the broker is not told whether reading is open; tried again later');
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#forget?.();
  }
}
