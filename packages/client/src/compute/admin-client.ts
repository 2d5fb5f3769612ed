import type { CleanupResult, ComputePreferences, GuestMode, StorageSize } from '@cl-server/contract';
import type { CallOptions, HttpClient } from '../http/http-client.js';

/** Preferences and storage of compute, for admins. */
export class ComputeAdminClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  preferences(options?: CallOptions): Promise<ComputePreferences> {
    return this.#http.json({ method: 'GET', path: '/admin/pref' }, options);
  }

  /** Whether anyone may create jobs. */
  async guestMode(options?: CallOptions): Promise<boolean> {
    return (await this.#http.json<GuestMode>({ method: 'GET', path: '/admin/pref/guest-mode' }, options)).guest_mode;
  }

  /** Lets anyone create jobs, or only users with the right. */
  async setGuestMode(on: boolean, options?: CallOptions): Promise<ComputePreferences> {
    const form = { guest_mode: on };
    await this.#http.json({ method: 'PUT', path: '/admin/pref/guest-mode', form, idempotent: true }, options);
    return this.preferences(options);
  }

  /** Bytes of all job files. */
  storageSize(options?: CallOptions): Promise<StorageSize> {
    return this.#http.json({ method: 'GET', path: '/admin/jobs/storage/size' }, options);
  }

  /** Removes jobs that ended at least `days` ago, with their files. */
  cleanup(days: number, options?: CallOptions): Promise<CleanupResult> {
    return this.#http.json({ method: 'DELETE', path: '/admin/jobs/cleanup', query: { days } }, options);
  }
}
