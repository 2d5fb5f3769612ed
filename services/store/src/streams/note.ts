/** What is remembered of a content's stream beside its files: which folder is the current one, and whose job fills it. */

import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { isMissing } from '@cl-server/kit';
import { z } from 'zod';

const streamNote = z.object({
  /** Each job has a folder of its own: one that is being stopped never touches the files of the next. */
  generation: z.string().regex(/^[\w-]+$/),
  job_id: z.string(),
  /** Jobs that failed one after the other. */
  failures: z.number().int(),
  /** Set once the failure was seen; the job is gone then. */
  failed: z.object({ reason: z.string(), retry_at: z.number() }).nullable(),
  /** What the whole stream takes; absent while it grows. */
  bytes: z.int().optional(),
});
export type StreamNote = z.infer<typeof streamNote>;

const FILE = 'stream.json';
const CONTENT = /^[0-9a-f]{64}$/;

/** `{root}/{SHA-256 of the content}/stream.json`, and a folder for each generation beside it. */
export class StreamNotes {
  /** @param root absolute */
  constructor(private readonly root: string) {}

  folderOf(sha256: string): string {
    return path.join(this.root, sha256);
  }

  generationFolder(sha256: string, { generation }: Pick<StreamNote, 'generation'>): string {
    return path.join(this.folderOf(sha256), generation);
  }

  /** Undefined where there is none, and for one that a crash of the machine left unreadable. */
  async read(sha256: string): Promise<StreamNote | undefined> {
    try {
      const text = await fs.readFile(path.join(this.folderOf(sha256), FILE), 'utf8');
      return streamNote.parse(JSON.parse(text));
    } catch (error) {
      const isUnreadable = error instanceof SyntaxError || error instanceof z.ZodError;
      if (isUnreadable || isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Readers see the old note or the new one. */
  async write(sha256: string, note: StreamNote): Promise<void> {
    const folder = this.folderOf(sha256);
    await fs.mkdir(folder, { recursive: true, mode: 0o750 });
    const draft = path.join(folder, `${FILE}.${randomUUID()}`);
    await fs.writeFile(draft, JSON.stringify(note), { mode: 0o640 });
    await fs.rename(draft, path.join(folder, FILE));
  }

  /** Everything of a content's stream. A tool that is being stopped may still add a file, hence the tries. */
  async remove(sha256: string): Promise<void> {
    await fs.rm(this.folderOf(sha256), { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }

  /** Contents that have a folder. */
  async contents(): Promise<string[]> {
    try {
      return (await fs.readdir(this.root)).filter((name) => CONTENT.test(name));
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }
}
