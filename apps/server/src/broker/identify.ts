import { PERMISSIONS, SERVICE_MQTT_USER } from '@cl-server/contract/constants';
import { sameSecret } from '@cl-server/service-kit/program';
import { isRevoked, type RevocationSource, TokenError, type TokenVerifier } from '@cl-server/service-kit/tokens';
import type { Identity } from './access.js';

/** Refuses a connection with a return code of CONNACK (MQTT 3.1.1 §3.2.2.3). */
export class ConnectionRefused extends Error {
  override readonly name = 'ConnectionRefused';
  constructor(
    readonly returnCode: 3 | 4,
    message: string,
  ) {
    super(message);
  }
}

export interface IdentifyOptions {
  /** The secret that the services share. */
  readonly credential: string;
  readonly verifier: Pick<TokenVerifier, 'verify'>;
  readonly revocations: RevocationSource;
  /** Whether the keys that verify tokens have been received. */
  readonly keysReady: () => boolean;
  readonly now?: () => number;
}

export type Identify = (username: string | undefined, password: string | undefined) => Promise<Identity>;

/**
 * Determines the identity from the name and password of CONNECT. Without a password it is a stranger; the name of the services
 * requires their secret; any other name requires an access token.
 * @throws ConnectionRefused
 */
export function createIdentify(options: IdentifyOptions): Identify {
  const { credential, verifier, revocations, keysReady, now = Date.now } = options;
  return async (username, password) => {
    if (username === SERVICE_MQTT_USER) {
      if (password !== undefined && sameSecret(password, credential)) return { kind: 'service' };
      throw new ConnectionRefused(4, 'wrong service credential');
    }
    if (password === undefined || password === '') return { kind: 'stranger' };
    try {
      const claims = await verifier.verify(password);
      return {
        kind: 'user',
        id: claims.id,
        isAdmin: claims.is_admin,
        mayRead: claims.permissions.includes(PERMISSIONS.storeRead),
        isValid: () => now() < claims.exp * 1000 && !isRevoked(revocations, claims),
      };
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      if (!keysReady()) throw new ConnectionRefused(3, 'the keys that verify tokens are not known yet');
      throw new ConnectionRefused(4, `token refused: ${error.message}`);
    }
  };
}
