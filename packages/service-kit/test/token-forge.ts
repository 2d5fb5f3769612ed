/** Makes valid and invalid tokens by hand, without a library that could correct them. */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign as rawSign } from 'node:crypto';
import { exportJWK } from 'jose';
import { importVerificationKey, type KeySource, keyId, type VerificationKey } from '../src/tokens/keys.js';

export type Json = Record<string, unknown>;

export interface TestKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicPem: string;
  readonly jwk: Json;
  readonly verification: VerificationKey;
}

export async function testKey(): Promise<TestKey> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = createPublicKey(privateKey);
  const jwk = await exportJWK(publicKey);
  return {
    kid: await keyId(jwk),
    privateKey,
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    jwk: jwk as Json,
    verification: await importVerificationKey(jwk),
  };
}

export const b64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export const signedBy =
  (key: KeyObject, digest = 'sha256', dsaEncoding: 'ieee-p1363' | 'der' = 'ieee-p1363') =>
  (text: string): string =>
    rawSign(digest, Buffer.from(text), { key, dsaEncoding }).toString('base64url');

/** `header` and `claims` may be the JSON text itself. */
export function forge(header: unknown, claims: unknown, signature: (text: string) => string): string {
  const text = `${b64(header)}.${b64(claims)}`;
  return `${text}.${signature(text)}`;
}

/** Keys that a test holds in its hands. */
export class HeldKeys implements KeySource {
  readonly #keys = new Map<string, VerificationKey>();
  readonly #listeners: (() => void)[] = [];
  asked: string[] = [];

  hold(key: TestKey): this {
    this.#keys.set(key.kid, key.verification);
    return this;
  }

  drop({ kid }: TestKey): void {
    this.#keys.delete(kid);
    for (const listener of this.#listeners) listener();
  }

  async get(kid: string): Promise<VerificationKey | undefined> {
    this.asked.push(kid);
    return this.#keys.get(kid);
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  ready = (): boolean => true;
  close = (): void => undefined;
}
