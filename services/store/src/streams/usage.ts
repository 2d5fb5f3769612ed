/**
 * Counts the bytes of streams against the budget of the user whose entity has the content. If several entities have or had
 * the content, that is the user of the oldest one. Each stream is one claim in the job database:
 *
 * ```
 *        begun                        whole                      removed, failed
 * none --------> size of the video, ----------> size of stream ------------------> none
 *                or of the stream if that is larger
 * ```
 */
import { STREAM_CLAIMS, type Usage } from '@cl-server/jobs';
import { HttpError } from '@cl-server/service-kit';
import type { Kysely } from 'kysely';
import type { Budget } from '../database/budget.js';
import type { StoreTables } from '../database/tables.js';

export interface StreamUsageOptions {
  readonly db: Kysely<StoreTables>;
  readonly budget: Pick<Budget, 'isLimited' | 'claim' | 'release'>;
  readonly usage: Pick<Usage, 'claims'>;
}

/** The size of a stream. */
export interface StreamSize {
  readonly bytes: number;
  /** True if the stream is incomplete. At least the size of its video is counted then. */
  readonly grows: boolean;
}

/** Milliseconds until the claim expires: practically never, because the claim is removed with the stream. */
const NEVER_MS = 100 * 365 * 86_400_000;

const claimOf = (sha256: string): string => `${STREAM_CLAIMS}${sha256}`;

export class StreamUsage {
  readonly #options: StreamUsageOptions;

  constructor(options: StreamUsageOptions) {
    this.#options = options;
  }

  get isLimited(): boolean {
    return this.#options.budget.isLimited;
  }

  /**
   * Counts a stream with this size from now on. A complete stream is always counted, because its files exist.
   * @returns false if the budget has no room for a growing stream; the earlier count stays then
   */
  async count(sha256: string, { bytes, grows }: StreamSize): Promise<boolean> {
    if (!this.isLimited) return true;
    const content = await this.#content(sha256);
    // The content was deleted a moment ago, and its stream is about to be deleted.
    if (!content) return true;
    const most = grows ? Math.max(bytes, content.file_size) : bytes;
    try {
      await this.#options.budget.claim(claimOf(sha256), content.added_by, most, NEVER_MS, !grows);
      return true;
    } catch (error) {
      if (error instanceof HttpError && error.status === 413) return false;
      throw error;
    }
  }

  release(sha256: string): Promise<void> {
    return this.#options.budget.release(claimOf(sha256));
  }

  /** The contents whose streams are counted. */
  async counted(): Promise<string[]> {
    return (await this.#options.usage.claims(STREAM_CLAIMS)).map((id) => id.slice(STREAM_CLAIMS.length));
  }

  async #content(sha256: string): Promise<{ added_by: string | null; file_size: number } | undefined> {
    return this.#options.db
      .selectFrom('entity_versions')
      .innerJoin('entities', 'entities.id', 'entity_versions.entity_id')
      .innerJoin('files', 'files.sha256', 'entity_versions.sha256')
      .select(['entities.added_by', 'files.file_size'])
      .where('entity_versions.sha256', '=', sha256)
      .orderBy('entities.id')
      .executeTakeFirst();
  }
}
