/**
 * Guest mode: whether strangers may use what the guard `compute` protects. Kept in the job tables, so that every process
 * that serves jobs obeys the same word; each looks again after two seconds.
 */
import type { Preferences } from '@cl-server/jobs';

/** The word that is stored is the opposite: whether a token is asked for. */
const KEY = 'compute.auth_enabled';
const MAX_AGE = 2_000;

export interface GuestModeState {
  readonly guest_mode: boolean;
  readonly updated_at: number | null;
  readonly updated_by: string | null;
}

export interface GuestModeOptions {
  readonly preferences: Preferences;
  /** Milliseconds. */
  readonly now?: () => number;
}

export class GuestMode {
  readonly #preferences: Preferences;
  readonly #now: () => number;
  #cached: { readonly on: boolean; readonly at: number } | undefined;
  #pending: Promise<GuestModeState> | undefined;

  constructor({ preferences, now = Date.now }: GuestModeOptions) {
    this.#preferences = preferences;
    this.#now = now;
  }

  /** Off until an admin turns it on. Fails where the database does: nobody is let in by accident. */
  async isOn(): Promise<boolean> {
    const cached = this.#cached;
    if (cached && this.#now() - cached.at < MAX_AGE) return cached.on;
    this.#pending ??= this.read().finally(() => {
      this.#pending = undefined;
    });
    return (await this.#pending).guest_mode;
  }

  /** The stored value, without the cache. */
  async read(): Promise<GuestModeState> {
    const at = this.#now();
    const stored = await this.#preferences.get(KEY);
    const on = stored?.value === 'false';
    this.#cached = { on, at };
    return { guest_mode: on, updated_at: stored?.updated_at ?? null, updated_by: stored?.updated_by ?? null };
  }

  async set(on: boolean, updatedBy: string | null): Promise<void> {
    await this.#preferences.set(KEY, String(!on), updatedBy);
    this.#cached = { on, at: this.#now() };
  }
}
