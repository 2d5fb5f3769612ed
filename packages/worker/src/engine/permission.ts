/**
 * Whether this worker may claim jobs. One that has another folder than the services, or whose clock is wrong, would
 * fail every job that it claims, or take the leases of others. It logs that once, claims nothing, and checks again.
 *
 * ```
 *  unknown --check--> allowed <--check--> refused (logged at each change)
 * ```
 */
import type { Logger } from '@cl-server/service-kit';

export interface PermissionOptions {
  /** Why the worker's folder is not that of the services; undefined if it is. */
  readonly folderMismatch: () => Promise<string | undefined>;
  /** Milliseconds by which this machine's clock is ahead of the database's. */
  readonly skew: () => Promise<number>;
  readonly leaseMs: number;
  readonly logger: Logger;
  /** Milliseconds of a steady clock. */
  readonly monotonic: () => number;
}

/** A check costs two small reads. */
const CHECK_INTERVAL_MS = 5_000;
/** A clock that is off by this part of a lease makes leases end too early or too late. */
const MAX_SKEW_OF_LEASE = 0.25;

export class Permission {
  readonly #options: PermissionOptions;
  #refusal: string | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;

  constructor(options: PermissionOptions) {
    this.#options = options;
  }

  /** Why no job may be claimed now; undefined if jobs may be. */
  async refusal(): Promise<string | undefined> {
    const { monotonic, logger } = this.#options;
    if (monotonic() - this.#checkedAt < CHECK_INTERVAL_MS) return this.#refusal;
    const refusal = await this.#check();
    this.#checkedAt = monotonic();
    if (refusal !== undefined && refusal !== this.#refusal)
      logger.error({ reason: refusal }, 'this worker claims no jobs');
    if (refusal === undefined && this.#refusal !== undefined) logger.info('this worker claims jobs again');
    this.#refusal = refusal;
    return refusal;
  }

  async #check(): Promise<string | undefined> {
    const { folderMismatch, skew, leaseMs } = this.#options;
    const mismatch = await folderMismatch();
    if (mismatch !== undefined) return mismatch;
    const ahead = await skew();
    if (Math.abs(ahead) <= leaseMs * MAX_SKEW_OF_LEASE) return undefined;
    const seconds = (Math.abs(ahead) / 1000).toFixed(1);
    return `the clock of this machine is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} the database's: set it by NTP`;
  }
}
