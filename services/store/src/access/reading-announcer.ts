/** Announces to the broker whether reading needs no login. If so, clients without a login may subscribe to events. */
import { type StoreReading, TOPICS } from '@cl-server/contract';
import type { Broadcaster, Logger } from '@cl-server/service-kit';

export interface ReadingAnnouncerOptions {
  readonly broadcaster: Broadcaster;
  readonly isOpen: () => Promise<boolean>;
  readonly logger: Logger;
  /** Milliseconds between two checks, because another process may have changed the state. */
  readonly interval?: number;
}

export class ReadingAnnouncer {
  readonly #options: ReadingAnnouncerOptions;
  #topic: string | undefined;
  /** The state that was announced last; undefined after a new connection, because the broker may have lost it. */
  #announced: boolean | undefined;
  #timer: NodeJS.Timeout | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(options: ReadingAnnouncerOptions) {
    this.#options = options;
  }

  start(storePort: number): void {
    this.#topic = TOPICS.storeReading(storePort);
    this.#unsubscribe = this.#options.broadcaster.onConnect(() => {
      this.#announced = undefined;
      void this.announce();
    });
    this.#timer = setInterval(() => void this.announce(), this.#options.interval ?? 10_000);
    this.#timer.unref();
  }

  /** If the state cannot be read, the broker keeps the last one; at first it assumes that reading needs a login. */
  async announce(): Promise<void> {
    const { broadcaster, isOpen, logger } = this.#options;
    if (this.#topic === undefined || !broadcaster.connected) return;
    try {
      const open = await isOpen();
      if (open === this.#announced) return;
      const message: StoreReading = { open };
      if (await broadcaster.publish(this.#topic, message, { retain: true })) this.#announced = open;
    } catch (error) {
      logger.debug(
        { err: error },
        'the state of reading could not be announced to the broker; it is tried again later',
      );
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#unsubscribe?.();
  }
}
