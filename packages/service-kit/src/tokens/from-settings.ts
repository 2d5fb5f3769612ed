import path from 'node:path';
import type { keySettings, serviceUrlSettings } from '../config/service-settings.js';
import type { Values } from '../config/setting.js';
import type { Logger } from '../logging/logger.js';
import { serviceCredential } from '../process/credential.js';
import { RemoteKeys } from './keys.js';
import { RevocationPoll, type RevocationSource, revocationFile } from './revocations.js';
import { TokenVerifier } from './verifier.js';

export interface RemoteVerifier {
  readonly verifier: TokenVerifier;
  readonly revocations: RevocationSource;
  /** Whether keys and revocations are known; for readiness. */
  ready(): boolean;
  /** Stops asking the auth service. */
  close(): void;
}

/** Verifies tokens by the keys and the revocations of the auth service that a program's settings name. */
export async function verifierFromSettings(
  settings: Values<typeof serviceUrlSettings & typeof keySettings>,
  dataDir: string,
  logger: Logger,
): Promise<RemoteVerifier> {
  const { authUrl, publicKeyPath: file = path.join(dataDir, 'public_key.pem') } = settings;
  const keys = await new RemoteKeys({ authUrl, file, logger }).start();
  const revocations = await new RevocationPoll({
    authUrl,
    credential: serviceCredential(dataDir),
    file: revocationFile(dataDir),
    logger,
  }).start();
  return {
    verifier: new TokenVerifier({ keys, revocations }),
    revocations,
    ready: () => keys.ready() && revocations.known,
    close: () => {
      revocations.close();
      keys.close();
    },
  };
}
