import path from 'node:path';
import { readJson, writeJson } from '../config/private-file.js';

type Entries = Readonly<Record<string, string>>;

/** Remembers the URLs of unfinished resumable uploads, so that the next run continues them. */
export class UploadLedger {
  readonly #file: string;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(folder: string) {
    this.#file = path.join(folder, 'uploads.json');
  }

  async get(key: string): Promise<string | undefined> {
    return (await readJson<Entries>(this.#file))?.[key];
  }

  /** @param url undefined if the upload has ended */
  set(key: string, url: string | undefined): Promise<void> {
    // Several uploads may end at once, so each change is applied to the result of the one before.
    const next = this.#turn.then(async () => {
      const { [key]: before, ...rest } = (await readJson<Entries>(this.#file)) ?? {};
      if (before !== url) await writeJson(this.#file, url === undefined ? rest : { ...rest, [key]: url });
    });
    this.#turn = next.catch(() => undefined);
    return next;
  }
}
