/** Tells in the database, at every change and beat, what this worker can run and what keeps it from the rest. */
import type { WorkerRegister } from '@cl-server/jobs';
import type { Logger } from '@cl-server/service-kit';
import type { Availability } from './availability.js';

export interface RegistrationOptions {
  readonly register: WorkerRegister;
  readonly workerId: string;
  readonly availability: Pick<Availability, 'ready' | 'unavailable' | 'onChange'>;
  readonly heartbeatMs: number;
  readonly logger: Logger;
}

export class Registration {
  readonly #options: RegistrationOptions;
  readonly #beat: NodeJS.Timeout;
  readonly #stopListening: () => void;
  #written: Promise<void> = Promise.resolve();

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#beat = setInterval(() => this.#announce(), options.heartbeatMs);
    this.#stopListening = options.availability.onChange(() => this.#announce());
    this.#announce();
  }

  async close(): Promise<void> {
    clearInterval(this.#beat);
    this.#stopListening();
    this.#write(({ register, workerId }) => register.withdraw(workerId));
    await this.#written;
  }

  #announce(): void {
    this.#write(({ register, workerId, availability }) =>
      register.announce(workerId, {
        capabilities: availability.ready,
        unavailable: Object.fromEntries(
          [...availability.unavailable].map(([task, { code, reason }]) => [task, { code, reason }]),
        ),
      }),
    );
  }

  #write(work: (options: RegistrationOptions) => Promise<void>): void {
    const { logger } = this.#options;
    this.#written = this.#written
      .then(() => work(this.#options))
      .catch((error: unknown) => logger.warn({ err: error }, 'the register of workers was not written'));
  }
}
