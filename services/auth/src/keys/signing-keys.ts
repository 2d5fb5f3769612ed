/**
 * The keys of a running service. One key signs; it and the retired keys verify. The service follows a rotation by another
 * process within a second. Tokens of a retired key are accepted until the last of them has expired.
 */
import fs from 'node:fs/promises';
import type { KeySet, PublicKey } from '@cl-server/contract';
import type { KeySource, Logger, VerificationKey } from '@cl-server/service-kit';
import { type KeyPaths, keyFilesState, loadKeys, type RetiredKey, type StoredKeys } from './key-files.js';
import type { PublicKeyForms, SigningKey } from './key-pair.js';

export interface SigningKeysOptions {
  readonly paths: KeyPaths;
  /** Token lifetime in seconds. */
  readonly tokenLifetime: number;
  readonly logger: Logger;
  readonly now: () => number;
  /** Milliseconds between two checks of the key files. */
  readonly watchInterval?: number;
}

const WATCH_INTERVAL_MS = 1_000;
/** A retired key may still sign until the running server has noticed the rotation. */
const NOTICE_MARGIN_MS = 60_000;

const toJwk = ({ kid, x, y }: PublicKeyForms): KeySet['keys'][number] => ({
  kty: 'EC',
  crv: 'P-256',
  x,
  y,
  kid,
  use: 'sig',
  alg: 'ES256',
});

export class SigningKeys implements KeySource {
  readonly #options: SigningKeysOptions;
  readonly #listeners = new Set<() => void>();
  #stored: StoredKeys;
  #verifying = new Map<string, PublicKeyForms>();
  #state: string;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(options: SigningKeysOptions, stored: StoredKeys, state: string) {
    this.#options = options;
    this.#stored = stored;
    this.#state = state;
    this.#adopt(stored);
  }

  /** @throws StartupError if the key files are not valid */
  static async open(options: SigningKeysOptions): Promise<SigningKeys> {
    const state = await keyFilesState(options.paths);
    const keys = new SigningKeys(options, await loadKeys(options.paths), state);
    keys.#watch();
    return keys;
  }

  #watch(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(
      () => void this.checkFiles().finally(() => this.#watch()),
      this.#options.watchInterval ?? WATCH_INTERVAL_MS,
    );
    this.#timer.unref();
  }

  /** Checks the key files now. If they are not valid, the keys in use stay. */
  async checkFiles(): Promise<void> {
    const { paths, logger } = this.#options;
    try {
      await this.#dropExpired();
      const state = await keyFilesState(paths);
      if (state === this.#state) return;
      const stored = await loadKeys(paths);
      const rotated = stored.signing.kid !== this.#stored.signing.kid;
      this.#state = state; // the state before reading: a change during the read is found by the next check
      this.#adopt(stored);
      const facts = { kid: stored.signing.kid, retired: stored.retired.length };
      if (rotated) logger.info(facts, 'keys rotated');
      else logger.debug(facts, 'key files changed: keys reloaded');
    } catch (error) {
      logger.error({ err: error }, 'the key files have changed but cannot be used: keeping the current keys');
    }
  }

  #isExpired({ retiredAt }: RetiredKey): boolean {
    const { now, tokenLifetime } = this.#options;
    return now() > retiredAt + tokenLifetime * 1000 + NOTICE_MARGIN_MS;
  }

  async #dropExpired(): Promise<void> {
    const expired = this.#stored.retired.filter((key) => this.#isExpired(key));
    for (const { file } of expired) await fs.rm(file, { force: true });
    if (expired.length > 0) this.#adopt(this.#stored);
  }

  #adopt(stored: StoredKeys): void {
    const retired = stored.retired.filter((key) => !this.#isExpired(key));
    const next = new Map([stored.signing, ...retired].map((key) => [key.kid, key]));
    const dropped = [...this.#verifying.keys()].some((kid) => !next.has(kid));
    this.#stored = { signing: stored.signing, retired };
    this.#verifying = next;
    if (dropped) for (const listener of this.#listeners) listener();
  }

  signing(): SigningKey {
    return this.#stored.signing;
  }

  publicKey(): PublicKey {
    return { public_key: this.#stored.signing.pem, algorithm: 'ES256' };
  }

  keySet(): KeySet {
    return { keys: [...this.#verifying.values()].map(toJwk) };
  }

  async get(kid: string): Promise<VerificationKey | undefined> {
    return this.#verifying.get(kid)?.verification;
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  ready(): boolean {
    return true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
