/** The files of a content's stream, and the note beside them: the current folder and the job that fills it. */

import { isNotFound, type LocalBlobStore } from '@cl-server/blobs';
import { z } from 'zod';

const streamNote = z.object({
  /** Each job has its own folder, so that a job that is being stopped never touches the files of the next one. */
  generation: z.string().regex(/^[\w-]+$/),
  job_id: z.string(),
  /** The number of consecutive failed jobs. */
  failures: z.number().int(),
  /** Set when a failure was noticed; the job has been removed then. */
  failed: z.object({ reason: z.string(), retry_at: z.number() }).nullable(),
  /** The size of the complete stream; absent while it grows. */
  bytes: z.int().optional(),
});
export type StreamNote = z.infer<typeof streamNote>;

const FILE = 'stream.json';
const MAX_NOTE_BYTES = 64 * 1024;
const CONTENT = /^[0-9a-f]{64}$/;

/** Streams grow in a folder of this machine, where a worker writes them, so not every blob store can keep them. */
export type StreamStore = Pick<
  LocalBlobStore,
  'put' | 'open' | 'read' | 'head' | 'list' | 'folders' | 'deleteBelow' | 'localFolder'
>;

/** `{SHA-256 of the content}/stream.json`, and a folder for each generation beside it. */
export class StreamFiles {
  constructor(readonly blobs: StreamStore) {}

  /** Key of a file of a generation. */
  keyOf(sha256: string, { generation }: Pick<StreamNote, 'generation'>, name: string): string {
    return `${sha256}/${generation}/${name}`;
  }

  has(sha256: string, note: StreamNote, name: string): Promise<boolean> {
    return this.blobs.head(this.keyOf(sha256, note, name)).then((found) => found !== undefined);
  }

  /** Absolute path of the folder that a job fills. */
  generationFolder(sha256: string, { generation }: Pick<StreamNote, 'generation'>): string {
    return this.blobs.localFolder(`${sha256}/${generation}/`);
  }

  /** Undefined if there is no note, or if a crash of the machine left it unreadable. */
  async read(sha256: string): Promise<StreamNote | undefined> {
    try {
      const text = await this.blobs.read(`${sha256}/${FILE}`, MAX_NOTE_BYTES);
      return streamNote.parse(JSON.parse(text.toString()));
    } catch (error) {
      const isBroken = error instanceof SyntaxError || error instanceof z.ZodError;
      if (isBroken || isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Replaces the note atomically: readers see the old one or the new one. */
  async write(sha256: string, note: StreamNote): Promise<void> {
    await this.blobs.put(`${sha256}/${FILE}`, Buffer.from(JSON.stringify(note)), { isDurable: false });
  }

  /** Bytes of all generations of a content; 0 if there are none. */
  async bytesOf(sha256: string): Promise<number> {
    let bytes = 0;
    for await (const key of this.blobs.list(`${sha256}/`)) {
      if (key.split('/').length < 3) continue; // the note
      bytes += (await this.blobs.head(key))?.size ?? 0;
    }
    return bytes;
  }

  removeGeneration(sha256: string, { generation }: Pick<StreamNote, 'generation'>): Promise<boolean> {
    return this.blobs.deleteBelow(`${sha256}/${generation}/`);
  }

  /** Removes everything of a content's stream. */
  remove(sha256: string): Promise<boolean> {
    return this.blobs.deleteBelow(`${sha256}/`);
  }

  /** The contents that have a folder. */
  async contents(): Promise<string[]> {
    const found: string[] = [];
    for await (const name of this.blobs.folders('')) if (CONTENT.test(name)) found.push(name);
    return found;
  }
}
