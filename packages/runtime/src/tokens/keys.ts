/** Public keys by `kid`, for those who verify tokens. */
import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import fs from 'node:fs/promises';
import { calculateJwkThumbprint, exportJWK, importJWK, type JWK } from 'jose';
import type { Logger } from '../logging/logger.js';

export type VerificationKey = KeyObject | webcrypto.CryptoKey;

export interface KeySource {
  /** The key of a `kid`, asking again where it is unknown; undefined if there is none. */
  get(kid: string): Promise<VerificationKey | undefined>;
  /** Called when keys were dropped, so that caches of verified tokens are too. */
  onChange(listener: () => void): void;
  /** Whether any key is known; for readiness. */
  ready(): boolean;
  close(): void;
}

/** The id of a key: its RFC 7638 thumbprint, so that every holder of the key computes the same. */
export const keyId = (jwk: JWK): Promise<string> => calculateJwkThumbprint(jwk, 'sha256');

export interface RemoteKeyOptions {
  /** Base URL of the auth service. */
  readonly authUrl: string;
  /** PEM file used while the auth service does not answer. */
  readonly file?: string | undefined;
  readonly logger: Logger;
  readonly fetch?: typeof fetch;
  readonly now?: () => number;
}

/** Between two fetches for unknown ids: a flood of forged ids must not become a flood at the auth service. */
const MIN_INTERVAL = 2_000;
const REFRESH_INTERVAL = 60_000;
const FIRST_RETRY = 250;
const MAX_RETRY = 15_000;

export class RemoteKeys implements KeySource {
  readonly #options: RemoteKeyOptions;
  readonly #fetch: typeof fetch;
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();
  #keys = new Map<string, VerificationKey>();
  #fromFile = new Map<string, VerificationKey>();
  #pending: Promise<boolean> | undefined;
  #lastFetch = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RemoteKeyOptions) {
    this.#options = options;
    this.#fetch = options.fetch ?? fetch;
    this.#now = options.now ?? Date.now;
  }

  /** Fetches now and goes on in the background; never fails. */
  async start(): Promise<this> {
    await this.#readFile();
    void this.#loop(FIRST_RETRY);
    return this;
  }

  async #loop(retry: number): Promise<void> {
    const ok = await this.refresh();
    if (this.#closed) return;
    const wait = ok ? REFRESH_INTERVAL : retry;
    this.#timer = setTimeout(() => void this.#loop(ok ? FIRST_RETRY : Math.min(retry * 2, MAX_RETRY)), wait);
    this.#timer.unref();
  }

  async #readFile(): Promise<void> {
    const { file, logger } = this.#options;
    if (file === undefined) return;
    try {
      const key = createPublicKey(await fs.readFile(file));
      const jwk = await exportJWK(key);
      if (jwk.crv !== 'P-256') throw new Error('it is not a P-256 key');
      this.#fromFile = new Map([[await keyId(jwk), key]]);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        logger.warn({ err: error }, 'public key file cannot be used');
    }
  }

  /** One fetch, however many ask. @returns whether the auth service answered with keys */
  refresh(): Promise<boolean> {
    this.#pending ??= this.#fetchKeys().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #fetchKeys(): Promise<boolean> {
    this.#lastFetch = this.#now();
    try {
      const response = await this.#fetch(`${this.#options.authUrl}/.well-known/jwks.json`, {
        signal: AbortSignal.timeout(5_000),
      });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const body = (await response.json()) as { keys?: JWK[] };
      const next = new Map<string, VerificationKey>();
      for (const jwk of body.keys ?? []) {
        if (jwk.kty !== 'EC' || jwk.crv !== 'P-256' || typeof jwk.kid !== 'string') continue;
        next.set(jwk.kid, (await importJWK(jwk, 'ES256')) as VerificationKey);
      }
      if (next.size === 0) throw new Error('no usable key in the answer');
      this.#replace(next);
      return true;
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'keys not fetched from the auth service');
      return false;
    }
  }

  #replace(next: Map<string, VerificationKey>): void {
    const dropped = [...this.#keys.keys()].some((kid) => !next.has(kid));
    this.#keys = next;
    if (dropped) for (const listener of this.#listeners) listener();
  }

  async get(kid: string): Promise<VerificationKey | undefined> {
    const known = this.#keys.get(kid);
    if (known) return known;
    if (this.#now() - this.#lastFetch >= MIN_INTERVAL || this.#pending) await this.refresh();
    const fetched = this.#keys.get(kid);
    if (fetched || this.#keys.size > 0) return fetched;
    if (this.#fromFile.size === 0) await this.#readFile();
    return this.#fromFile.get(kid);
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  ready(): boolean {
    return this.#keys.size > 0 || this.#fromFile.size > 0;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
