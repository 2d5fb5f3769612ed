/** Public keys by `kid`, for the verification of tokens. */

import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import fs from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isMissing } from '@cl-server/kit';
import { calculateJwkThumbprint, exportJWK, importJWK, type JWK } from 'jose';
import { type Get, get } from '../http-get.js';
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

/** Whether a text can be such an id: nothing else is worth a question to anyone. */
export const isKeyId = (text: unknown): text is string => typeof text === 'string' && /^[\w-]{43}$/.test(text);

/** Ready for the verifier: only the curve's public point is taken, whatever else the JWK holds. */
export async function importVerificationKey({ kty, crv, x, y }: JWK): Promise<VerificationKey> {
  return (await importJWK({ kty, crv, x, y } as JWK, 'ES256')) as VerificationKey;
}

export interface RemoteKeyOptions {
  /** Base URL of the auth service. */
  readonly authUrl: string;
  /** PEM file used while the auth service does not answer. */
  readonly file?: string | undefined;
  readonly logger: Logger;
  readonly fetch?: Get;
}

/** Between two fetches for unknown ids: a flood of forged ids must not become a flood at the auth service. */
const MIN_INTERVAL = 1_000;
const FETCH_TIMEOUT = 3_000;
const REFRESH_INTERVAL = 60_000;
const FIRST_RETRY = 250;
const MAX_RETRY = 15_000;

/**
 * Keys of the auth service. Fetched at the start and every minute, and once more when a token names an id that is not
 * known: so a new key is followed at its first token. Until the auth service has answered once, the key in `file` counts.
 */
export class RemoteKeys implements KeySource {
  readonly #options: RemoteKeyOptions;
  readonly #fetch: Get;
  readonly #listeners = new Set<() => void>();
  readonly #closing = new AbortController();
  #keys = new Map<string, VerificationKey>();
  #fromFile = new Map<string, VerificationKey>();
  #pending: Promise<boolean> | undefined;
  #next: Promise<boolean> | undefined;
  #lastFetch = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RemoteKeyOptions) {
    this.#options = options;
    this.#fetch = options.fetch ?? get;
  }

  /** Reads the file, then fetches in the background; never fails. */
  async start(): Promise<this> {
    await this.#readFile();
    void this.#loop(FIRST_RETRY);
    return this;
  }

  async #loop(retry: number): Promise<void> {
    const ok = await this.refresh();
    if (this.#closing.signal.aborted) return;
    const wait = ok ? REFRESH_INTERVAL : retry;
    this.#timer = setTimeout(() => void this.#loop(ok ? FIRST_RETRY : Math.min(retry * 2, MAX_RETRY)), wait);
    this.#timer.unref();
  }

  async #readFile(): Promise<void> {
    const { file, logger } = this.#options;
    if (file === undefined) return;
    try {
      const jwk = await exportJWK(createPublicKey(await fs.readFile(file)));
      if (jwk.crv !== 'P-256') throw new Error('it is not a P-256 key');
      this.#fromFile = new Map([[await keyId(jwk), await importVerificationKey(jwk)]]);
    } catch (error) {
      if (!isMissing(error)) logger.warn({ err: error }, 'public key file cannot be used');
    }
  }

  /** One fetch, however many ask. @returns whether the auth service answered with keys */
  refresh(): Promise<boolean> {
    this.#pending ??= this.#fetchKeys().finally(() => {
      this.#lastFetch = performance.now();
      this.#pending = undefined;
    });
    return this.#pending;
  }

  /** One fetch that begins after the question, and not sooner than `MIN_INTERVAL` after the last; shared by all who wait. */
  #refreshSoon(): Promise<boolean> {
    this.#next ??= (async () => {
      await this.#pending;
      const wait = this.#lastFetch + MIN_INTERVAL - performance.now();
      if (wait > 0) await delay(wait, undefined, { ref: false, signal: this.#closing.signal }).catch(() => undefined);
      this.#next = undefined;
      return this.refresh();
    })();
    return this.#next;
  }

  async #fetchKeys(): Promise<boolean> {
    try {
      const response = await this.#fetch(`${this.#options.authUrl}/.well-known/jwks.json`, {
        signal: AbortSignal.any([AbortSignal.timeout(FETCH_TIMEOUT), this.#closing.signal]),
      });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const body = (await response.json()) as { keys?: JWK[] };
      const next = new Map<string, VerificationKey>();
      for (const jwk of body.keys ?? []) {
        if (jwk.kty !== 'EC' || jwk.crv !== 'P-256' || typeof jwk.kid !== 'string') continue;
        next.set(jwk.kid, await importVerificationKey(jwk));
      }
      if (next.size === 0) throw new Error('no usable key in the answer');
      this.#replace(next);
      return true;
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'keys not fetched from the auth service');
      if (this.#keys.size === 0) await this.#readFile();
      return false;
    }
  }

  #replace(next: Map<string, VerificationKey>): void {
    const before = this.#keys.size > 0 ? this.#keys : this.#fromFile;
    const dropped = [...before.keys()].some((kid) => !next.has(kid));
    this.#keys = next;
    if (dropped) for (const listener of this.#listeners) listener();
  }

  #known(kid: string): VerificationKey | undefined {
    return (this.#keys.size > 0 ? this.#keys : this.#fromFile).get(kid);
  }

  async get(kid: string): Promise<VerificationKey | undefined> {
    const known = this.#known(kid);
    if (known) return known;
    await this.#refreshSoon();
    return this.#known(kid);
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  ready(): boolean {
    return this.#keys.size > 0 || this.#fromFile.size > 0;
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#timer);
  }
}
