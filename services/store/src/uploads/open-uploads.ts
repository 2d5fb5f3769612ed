/**
 * The unfinished uploads of each user. Without a byte in it an upload takes two files for a week, and no budget of bytes
 * counts them: their number is limited.
 */
import { HttpError } from '@cl-server/service-kit';

/** As many as a program that sends a folder may have begun before it goes on with the first. */
const MAX_OPEN_UPLOADS = 1_000;
const RETRY_AFTER = '60';

export class OpenUploads {
  readonly #owners = new Map<string, string | null>();
  readonly #counts = new Map<string | null, number>();

  /** @param mayExceed for one that was begun before @throws HttpError 429 */
  add(id: string, owner: string | null, mayExceed = false): void {
    if (this.#owners.has(id)) return;
    const count = this.#counts.get(owner) ?? 0;
    if (count >= MAX_OPEN_UPLOADS && !mayExceed)
      throw new HttpError(
        429,
        `You have ${count} unfinished uploads, and more are not begun: finish some of them, or delete them with DELETE`,
        { headers: { 'retry-after': RETRY_AFTER } },
      );
    this.#owners.set(id, owner);
    this.#counts.set(owner, count + 1);
  }

  /** It is finished or given up. */
  delete(id: string): void {
    const owner = this.#owners.get(id);
    if (owner === undefined) return;
    this.#owners.delete(id);
    const count = (this.#counts.get(owner) ?? 1) - 1;
    if (count > 0) this.#counts.set(owner, count);
    else this.#counts.delete(owner);
  }
}
