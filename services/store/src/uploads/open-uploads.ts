/**
 * Limits the number of unfinished uploads of each user, because an empty upload takes two files for a week and no budget of
 * bytes counts them.
 */
import { HttpError } from '@cl-server/service-kit';

/** Sufficient for a program that begins an upload for each file of a folder before it sends the first one. */
const MAX_OPEN_UPLOADS = 1_000;
const RETRY_AFTER = '60';

export class OpenUploads {
  readonly #owners = new Map<string, string | null>();
  readonly #counts = new Map<string | null, number>();

  /** @param mayExceed true for an upload that an earlier process began @throws HttpError 429 */
  add(id: string, owner: string | null, mayExceed = false): void {
    if (this.#owners.has(id)) return;
    const count = this.#counts.get(owner) ?? 0;
    if (count >= MAX_OPEN_UPLOADS && !mayExceed)
      throw new HttpError(
        429,
        `You have ${count} unfinished uploads, which is the maximum: finish some of them, or delete them with DELETE`,
        { headers: { 'retry-after': RETRY_AFTER } },
      );
    this.#owners.set(id, owner);
    this.#counts.set(owner, count + 1);
  }

  /** Removes an upload that is finished or deleted. */
  delete(id: string): void {
    const owner = this.#owners.get(id);
    if (owner === undefined) return;
    this.#owners.delete(id);
    const count = (this.#counts.get(owner) ?? 1) - 1;
    if (count > 0) this.#counts.set(owner, count);
    else this.#counts.delete(owner);
  }
}
