import type { ClServer, Transport } from '@cl-server/client';
import { configFolder } from './config/folder.js';
import { Profiles } from './config/profiles.js';
import { FileTokenStore } from './config/session-file.js';
import { type Identity, identityOf } from './identity.js';
import { Output } from './io/output.js';
import type { Format } from './io/terminal.js';
import type { GlobalOptions, World } from './world.js';

export const formatOf = ({ json, ndjson, quiet }: GlobalOptions): Format =>
  quiet ? 'quiet' : ndjson ? 'ndjson' : json ? 'json' : 'human';

/** The value of `--transport` for the SDK: the requested transport, with polling as the fallback. */
const transportsOf = (transport: GlobalOptions['transport']): readonly Transport[] | undefined =>
  transport === undefined ? undefined : transport === 'poll' ? [] : [transport];

/** The services and settings that a command works with. */
export class Context {
  readonly out: Output;
  readonly world: World;
  readonly options: GlobalOptions;
  readonly configFolder: string;
  readonly profiles: Profiles;
  #platform: Promise<ClServer> | undefined;

  constructor(world: World, options: GlobalOptions) {
    this.world = world;
    this.options = options;
    this.out = new Output(world, formatOf(options), world.env);
    this.configFolder = configFolder(world.env);
    this.profiles = new Profiles(this.configFolder);
  }

  get signal(): AbortSignal {
    return this.world.signal;
  }

  /** The options that are passed with every call of the SDK. */
  get call(): { readonly signal: AbortSignal } {
    return { signal: this.signal };
  }

  async profileName(): Promise<string> {
    return this.options.profile || this.world.env.CL_PROFILE || (await this.profiles.current());
  }

  /** The platform with the login of the command line, the environment or the profile. The SDK is loaded on first use. */
  platform(): Promise<ClServer> {
    this.#platform ??= this.#connect(identityOf(this.options, this.world));
    return this.#platform;
  }

  /** The platform with the login that is saved in the profile, for commands that change what is saved. */
  savedPlatform(): Promise<ClServer> {
    this.#platform ??= this.#connect({ kind: 'kept' });
    return this.#platform;
  }

  async #connect(identity: Identity): Promise<ClServer> {
    const [{ ClServer, JWTAuthProvider, NoAuthProvider, resolveUrls }, profile] = await Promise.all([
      import('@cl-server/client'),
      this.profileName(),
    ]);
    const { env } = this.world;
    const saved = await this.profiles.get(profile);
    const sources = {
      args: defined({
        auth: this.options.authUrl,
        store: this.options.storeUrl,
        compute: this.options.computeUrl,
        mqtt: this.options.mqttUrl,
      }),
      env,
      file: defined({
        auth: saved.auth_url,
        store: saved.store_url,
        compute: saved.compute_url,
        mqtt: saved.mqtt_url,
      }),
    };
    const urls = resolveUrls(sources);
    return new ClServer({
      urls,
      ...(identity.kind === 'guest' && { auth: new NoAuthProvider() }),
      ...(identity.kind === 'token' && { auth: new JWTAuthProvider(identity.token) }),
      ...(identity.kind === 'login' && { credentials: identity.credentials }),
      ...(identity.kind === 'kept' && { tokenStore: new FileTokenStore(this.configFolder, profile, urls.auth) }),
      transports: transportsOf(this.options.transport),
      ...(this.options.debug && {
        http: {
          onRequest: ({ method, url, status, ms, requestId, error }) =>
            this.out.trace(`> ${method} ${url} ${status ?? String(error)} ${Math.round(ms)} ms ${requestId ?? ''}`),
        },
      }),
    });
  }

  /** Closes everything that was opened. */
  async close(): Promise<void> {
    this.out.status?.clear();
    await this.#platform?.then(
      (platform) => platform.close(),
      () => undefined,
    );
  }
}

function defined<T extends object>(values: T): Partial<{ [K in keyof T]: NonNullable<T[K]> }> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
