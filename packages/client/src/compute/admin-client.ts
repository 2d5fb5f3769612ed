import type {
  CleanupResult,
  ComputePreferences,
  cleanupJobs,
  getGuestMode,
  getPreferences,
  getStorageSize,
  StorageSize,
  setGuestMode,
} from '@cl-server/contract';
import type { CallOptions, HttpClient } from '../http/http-client.js';

/** Preferences and storage of compute, for admins. */
export class ComputeAdminClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /**
   * @example
   * ```ts
   * const { guest_mode } = await compute.admin.preferences();
   * ```
   */
  preferences(options?: CallOptions): Promise<ComputePreferences> {
    return this.#http.call<typeof getPreferences>({ method: 'GET', path: '/admin/pref' }, options);
  }

  /**
   * Whether anyone may create jobs.
   *
   * @example
   * ```ts
   * const anyone = await compute.admin.guestMode();
   * ```
   */
  async guestMode(options?: CallOptions): Promise<boolean> {
    return (await this.#http.call<typeof getGuestMode>({ method: 'GET', path: '/admin/pref/guest-mode' }, options))
      .guest_mode;
  }

  /**
   * Lets anyone create jobs, or only users with the right.
   *
   * @example
   * ```ts
   * await compute.admin.setGuestMode(false);
   * ```
   */
  async setGuestMode(on: boolean, options?: CallOptions): Promise<ComputePreferences> {
    const form = { guest_mode: on };
    await this.#http.call<typeof setGuestMode>(
      { method: 'PUT', path: '/admin/pref/guest-mode', form, idempotent: true },
      options,
    );
    return this.preferences(options);
  }

  /**
   * Bytes of all job files.
   *
   * @example
   * ```ts
   * const size = await compute.admin.storageSize();
   * ```
   */
  storageSize(options?: CallOptions): Promise<StorageSize> {
    return this.#http.call<typeof getStorageSize>({ method: 'GET', path: '/admin/jobs/storage/size' }, options);
  }

  /**
   * Removes jobs that ended at least `days` ago, with their files.
   *
   * @example
   * ```ts
   * const removed = await compute.admin.cleanup(7);
   * ```
   */
  cleanup(days: number, options?: CallOptions): Promise<CleanupResult> {
    return this.#http.call<typeof cleanupJobs>(
      { method: 'DELETE', path: '/admin/jobs/cleanup', query: { days } },
      options,
    );
  }
}
