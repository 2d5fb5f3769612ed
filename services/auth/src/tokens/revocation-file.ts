/** Writes the whole revocation feed to a file in the data folder, for services that run while the auth service is away. */

import { replaceFile } from '@cl-server/kit';
import { revocationFile } from '@cl-server/service-kit';
import type { RevocationFeed } from './revocations.js';

/** Its owner writes it and its group reads it, because services may run as other users of one group. */
const MODE = 0o640;

export class RevocationFile {
  readonly #file: string;
  #written: Promise<void> = Promise.resolve();

  constructor(
    dataDir: string,
    private readonly feed: RevocationFeed,
  ) {
    this.#file = revocationFile(dataDir);
  }

  /** Writes the current state of the database. Writes run one after another, so that an older state never replaces a newer one. */
  write(): Promise<void> {
    this.#written = this.#written
      .catch(() => undefined)
      .then(async () => replaceFile(this.#file, `${JSON.stringify(await this.feed.since(0, 0))}\n`, MODE));
    return this.#written;
  }
}
