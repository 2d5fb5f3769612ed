/** `$MODELS_DIR/models.json`: what `use` chose instead of the defaults. */
import { randomBytes } from 'node:crypto';
import fsp from 'node:fs/promises';
import path from 'node:path';
import { type ModelChoices, type ModelRole, modelChoices } from '@cl-server/contract';

export class Choices {
  readonly #dir: string;
  readonly #file: string;

  constructor(dir: string) {
    this.#dir = dir;
    this.#file = path.join(dir, 'models.json');
  }

  /** @throws Error where the file is damaged */
  async read(): Promise<ModelChoices> {
    try {
      return modelChoices.parse(JSON.parse(await fsp.readFile(this.#file, 'utf8')));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { version: 1, roles: {} };
      throw new Error('models.json in MODELS_DIR is damaged: mend it, or delete it to return to the default models', {
        cause: error,
      });
    }
  }

  /** Differs when the file does; empty where there is none. */
  async stamp(): Promise<string> {
    const stat = await fsp.stat(this.#file).catch(() => undefined);
    return stat ? `${stat.ino}:${stat.size}:${stat.mtimeMs}` : '';
  }

  /** @param choice undefined: the default again */
  async choose(role: ModelRole, choice: ModelChoices['roles'][ModelRole]): Promise<void> {
    const { roles } = await this.read();
    const { [role]: _, ...others } = roles;
    const next: ModelChoices = { version: 1, roles: choice ? { ...others, [role]: choice } : others };
    const draft = `${this.#file}.${randomBytes(4).toString('hex')}`;
    await fsp.mkdir(this.#dir, { recursive: true });
    await fsp.writeFile(draft, `${JSON.stringify(next, null, 2)}\n`);
    await fsp.rename(draft, this.#file);
  }
}
