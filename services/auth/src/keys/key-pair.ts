import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { importVerificationKey, keyId, type VerificationKey } from '@cl-server/service-kit';
import { exportJWK } from 'jose';

/** A public key in every form in which it is used. */
export interface PublicKeyForms {
  readonly kid: string;
  /** The SPKI form. */
  readonly pem: string;
  readonly x: string;
  readonly y: string;
  readonly verification: VerificationKey;
}

export interface SigningKey extends PublicKeyForms {
  readonly privateKey: KeyObject;
}

const isP256 = (key: KeyObject): boolean => key.asymmetricKeyDetails?.namedCurve === 'prime256v1';

async function formsOf(key: KeyObject): Promise<PublicKeyForms> {
  const jwk = await exportJWK(key);
  if (!isP256(key) || jwk.x === undefined || jwk.y === undefined) throw new Error('it is not a P-256 key');
  return {
    kid: await keyId(jwk),
    pem: key.export({ type: 'spki', format: 'pem' }).toString(),
    x: jwk.x,
    y: jwk.y,
    verification: await importVerificationKey(jwk),
  };
}

/** @throws Error if the text is not a P-256 public key */
export const parsePublicKey = (pem: string): Promise<PublicKeyForms> => formsOf(createPublicKey(pem));

/** @throws Error if the text is not a P-256 private key */
export async function parsePrivateKey(pem: string): Promise<SigningKey> {
  const privateKey = createPrivateKey(pem);
  return { ...(await formsOf(createPublicKey(pem))), privateKey };
}

/** Generates a private key in PKCS #8 form. */
export async function generatePrivatePem(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}
