/** Verifying access tokens, and guarding endpoints by them. */
export { verifierFromSettings } from './from-settings.js';
export {
  type AuthorizableRequest,
  type Authorize,
  bearerOf,
  createAuthorizer,
  type GuardMessages,
  type Openness,
} from './guard.js';
export { importVerificationKey, type KeySource, keyId, RemoteKeys, type VerificationKey } from './keys.js';
export { isRevoked, noRevocations, type RevocationSource, revocationFile } from './revocations.js';
export { TokenError, TokenVerifier } from './verifier.js';
