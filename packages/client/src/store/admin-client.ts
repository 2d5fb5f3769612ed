import type {
  AuditReport,
  auditStore,
  CleanupReport,
  clearOrphans,
  getStorageUse,
  getStorePreferences,
  PurgeReport,
  purgeTrash,
  StorageUse,
  StorePreferences,
  setStoreGuestMode,
} from '@cl-server/contract';
import type { CallOptions, HttpClient } from '../http/http-client.js';

/** Preferences, audit and storage of the store, for admins. */
export class StoreAdminClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /**
   * @example
   * ```ts
   * const { guest_mode } = await store.admin.preferences();
   * ```
   */
  preferences(options?: CallOptions): Promise<StorePreferences> {
    return this.#http.call<typeof getStorePreferences>({ method: 'GET', path: '/admin/pref' }, options);
  }

  /**
   * Lets anyone read, or only users with the right.
   *
   * @example
   * ```ts
   * await store.admin.setGuestMode(false);
   * ```
   */
  async setGuestMode(on: boolean, options?: CallOptions): Promise<StorePreferences> {
    const form = { guest_mode: on };
    await this.#http.call<typeof setStoreGuestMode>(
      { method: 'PUT', path: '/admin/pref/guest-mode', form, idempotent: true },
      options,
    );
    return this.preferences(options);
  }

  /**
   * Compares database and media folder. @param verify read every file and compare its SHA-256; slow
   * @example
   * ```ts
   * const { orphaned_files, missing_files } = await store.admin.audit({ verify: true });
   * ```
   */
  audit({ verify = false, ...options }: CallOptions & { readonly verify?: boolean } = {}): Promise<AuditReport> {
    return this.#http.call<typeof auditStore>(
      { method: 'GET', path: '/system/audit', query: { verify } },
      { timeoutMs: verify ? 0 : 300_000, ...options },
    );
  }

  /**
   * Removes what no row refers to; files that were uploaded are set aside for 30 days first.
   *
   * Setting aside more than 20 files, and more than a tenth of all, needs `confirm`.
   * @throws ConflictError where that is so, or where the media folder belongs to another database
   *
   * @example
   * ```ts
   * const report = await store.admin.clearOrphans();
   * ```
   */
  clearOrphans({
    confirm = false,
    ...options
  }: CallOptions & { readonly confirm?: boolean } = {}): Promise<CleanupReport> {
    const query = confirm ? { confirm } : {};
    return this.#http.call<typeof clearOrphans>(
      { method: 'POST', path: '/system/clear-orphans', query, idempotent: true },
      options,
    );
  }

  /**
   * Removes for good what was deleted at least `days` ago.
   *
   * @example
   * ```ts
   * const report = await store.admin.purgeTrash(30);
   * ```
   */
  purgeTrash(days: number, options?: CallOptions): Promise<PurgeReport> {
    return this.#http.call<typeof purgeTrash>({ method: 'POST', path: '/system/purge-trash', form: { days } }, options);
  }

  /**
   * How much is kept, for whom, and how much space is left.
   *
   * @example
   * ```ts
   * const { bytes, free_bytes } = await store.admin.storage();
   * ```
   */
  storage(options?: CallOptions): Promise<StorageUse> {
    return this.#http.call<typeof getStorageUse>({ method: 'GET', path: '/system/storage' }, options);
  }
}
