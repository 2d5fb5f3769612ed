/** Reads and writes `$MODELS_DIR/models.json`: the models that `models use` chose instead of the defaults. */

import { randomBytes } from 'node:crypto';
import fsp from 'node:fs/promises';
import path from 'node:path';
import { type ModelChoices, type ModelContent, type ModelRole, modelChoices } from '@cl-server/contract';
import { errorCode } from '@cl-server/kit';
import { contentOf, withContent } from './content.js';
import { unwritable } from './unwritable.js';
import { sha256File } from './verify.js';

export class Choices {
  readonly #dir: string;
  readonly #file: string;

  constructor(dir: string) {
    this.#dir = dir;
    this.#file = path.join(dir, 'models.json');
  }

  /** @throws Error if the file is damaged */
  async read(): Promise<ModelChoices> {
    try {
      return modelChoices.parse(JSON.parse(await fsp.readFile(this.#file, 'utf8')));
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return { version: 1, roles: {}, used: [] };
      if (code !== undefined)
        throw new Error(
          `models.json in MODELS_DIR cannot be read (${code}): let the user that runs this program read it`,
          {
            cause: error,
          },
        );
      throw new Error(
        'models.json in MODELS_DIR is damaged: correct it, or delete it to return to the default models',
        {
          cause: error,
        },
      );
    }
  }

  /** All models that have ever been chosen; an older release stored only those that are in use now. */
  async used(): Promise<ModelContent[]> {
    const { roles, used } = await this.read();
    let all = used;
    for (const { manifest, tokenizer, tokenizer_sha256 } of Object.values(roles)) {
      const sha256 = tokenizer_sha256 ?? (await this.#hashOf(tokenizer));
      const content = contentOf(manifest, sha256);
      // If the tokenizer is missing, it is not the one that the manifest names.
      if (tokenizer !== undefined && sha256 === undefined) delete content.tokenizer_sha256;
      all = withContent(all, content);
    }
    return all;
  }

  async #hashOf(tokenizer: string | undefined): Promise<string | undefined> {
    if (tokenizer === undefined) return undefined;
    return sha256File(path.resolve(this.#dir, tokenizer)).catch(() => undefined);
  }

  /** Changes whenever the file changes; empty if there is no file. */
  async stamp(): Promise<string> {
    const stat = await fsp.stat(this.#file).catch(() => undefined);
    return stat ? `${stat.ino}:${stat.size}:${stat.mtimeMs}` : '';
  }

  /** @param choice undefined to return to the default */
  async choose(role: ModelRole, choice: ModelChoices['roles'][ModelRole]): Promise<void> {
    const { roles } = await this.read();
    const used = await this.used();
    const { [role]: _, ...others } = roles;
    const chosen = choice ? withContent(used, contentOf(choice.manifest, choice.tokenizer_sha256)) : used;
    const next: ModelChoices = {
      version: 1,
      roles: choice ? { ...others, [role]: choice } : others,
      used: chosen,
    };
    const draft = `${this.#file}.${randomBytes(4).toString('hex')}`;
    try {
      await fsp.mkdir(this.#dir, { recursive: true });
      await fsp.writeFile(draft, `${JSON.stringify(next, null, 2)}\n`);
      await fsp.rename(draft, this.#file);
    } catch (error) {
      const fault = unwritable(error);
      throw fault === undefined ? error : new Error(fault, { cause: error });
    }
  }
}
