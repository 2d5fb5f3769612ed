import path from 'node:path';
import { CliError, EXIT } from '../exit-codes.js';
import { readJson, writeJson } from './private-file.js';

/** The settings of a profile; each is also an environment variable and an option. `server_url` tells where the others came from. */
export const PROFILE_KEYS = ['server_url', 'auth_url', 'store_url', 'compute_url', 'mqtt_url'] as const;
export type ProfileKey = (typeof PROFILE_KEYS)[number];
export type Profile = Partial<Record<ProfileKey, string>>;

interface ConfigFile {
  readonly current?: string;
  readonly profiles?: Readonly<Record<string, Profile>>;
}

export const DEFAULT_PROFILE = 'default';

/** Named sets of addresses in `config.json`. */
export class Profiles {
  readonly #file: string;

  constructor(folder: string) {
    this.#file = path.join(folder, 'config.json');
  }

  async #read(): Promise<ConfigFile> {
    return (await readJson<ConfigFile>(this.#file)) ?? {};
  }

  /** The name of the profile that is used if no other one is requested. */
  async current(): Promise<string> {
    return (await this.#read()).current ?? DEFAULT_PROFILE;
  }

  async all(): Promise<Readonly<Record<string, Profile>>> {
    return (await this.#read()).profiles ?? {};
  }

  async get(name: string): Promise<Profile> {
    return (await this.all())[name] ?? {};
  }

  async set(name: string, key: string, value: string | undefined): Promise<void> {
    if (!(PROFILE_KEYS as readonly string[]).includes(key))
      throw new CliError(`Unknown setting ${key}; the settings are ${PROFILE_KEYS.join(', ')}`, EXIT.usage);
    const file = await this.#read();
    const profile = { ...file.profiles?.[name], [key]: value };
    await writeJson(this.#file, { ...file, profiles: { ...file.profiles, [name]: profile } });
  }

  /** Replaces all settings of a profile, which need not exist. */
  async replace(name: string, profile: Profile): Promise<void> {
    const file = await this.#read();
    await writeJson(this.#file, { ...file, profiles: { ...file.profiles, [name]: profile } });
  }

  /** @throws CliError if the profile was never created */
  async assertExists(name: string): Promise<void> {
    const names = [DEFAULT_PROFILE, ...Object.keys(await this.all()).filter((known) => known !== DEFAULT_PROFILE)];
    if (names.includes(name)) return;
    throw new CliError(
      `Profile ${name} does not exist; the profiles are: ${names.join(', ')}`,
      EXIT.notFound,
      `Create it with: cl-client --profile ${name} login <server>`,
    );
  }

  async use(name: string): Promise<void> {
    const file = await this.#read();
    if (name !== DEFAULT_PROFILE && !file.profiles?.[name])
      throw new CliError(
        `Profile ${name} does not exist`,
        EXIT.notFound,
        `Create it with: cl-client --profile ${name} login`,
      );
    await writeJson(this.#file, { ...file, current: name });
  }

  async remove(name: string): Promise<void> {
    const file = await this.#read();
    const { [name]: gone, ...profiles } = file.profiles ?? {};
    if (!gone) throw new CliError(`Profile ${name} does not exist`, EXIT.notFound);
    const current = file.current === name ? DEFAULT_PROFILE : file.current;
    await writeJson(this.#file, { ...file, current, profiles });
  }
}
