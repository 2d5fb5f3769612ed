import { getKeySet, getPublicKey } from '@cl-server/contract';
import type { App } from '@cl-server/service-kit';
import type { SigningKeys } from './signing-keys.js';

export function serveKeys(app: App, keys: SigningKeys): void {
  app.handle(getPublicKey, () => keys.publicKey());
  app.handle(getKeySet, () => keys.keySet());
}
