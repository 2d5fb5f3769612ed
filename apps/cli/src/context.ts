import os from 'node:os';
import type { ClServer, RequestTrace, ServerUrls, Transport } from '@cl-server/client';
import { configFolder } from './config/folder.js';
import { type Profile, Profiles } from './config/profiles.js';
import { addressesOf } from './config/server.js';
import { FileTokenStore } from './config/session-file.js';
import { CliError, EXIT } from './exit-codes.js';
import { explained, isRefusedToken } from './explain.js';
import { failureOf } from './failure.js';
import { type Identity, identityOf } from './identity.js';
import { Output } from './io/output.js';
import type { Format } from './io/terminal.js';
import type { GlobalOptions, World } from './world.js';

export const formatOf = ({ json, ndjson, quiet }: GlobalOptions): Format =>
  quiet ? 'quiet' : ndjson ? 'ndjson' : json ? 'json' : 'human';

/** The value of `--transport` for the SDK: the requested transport, with polling as the fallback. */
const transportsOf = (transport: GlobalOptions['transport']): readonly Transport[] | undefined =>
  transport === undefined ? undefined : transport === 'poll' ? [] : [transport];

/** The choice of a platform by a login. */
interface PlatformChoice {
  /** The one address from which the others follow. */
  readonly server?: string | undefined;
  /** Whether a profile that does not exist is about to be created. */
  readonly createProfile?: boolean;
}

/** The services and settings that a command works with. */
export class Context {
  readonly out: Output;
  readonly world: World;
  readonly options: GlobalOptions;
  readonly configFolder: string;
  readonly profiles: Profiles;
  #platform: Promise<ClServer> | undefined;
  #tokenStore: FileTokenStore | undefined;
  /** Whether the token came from the command line or the environment. */
  #hasOwnToken = false;

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
  savedPlatform(choice: PlatformChoice = {}): Promise<ClServer> {
    this.#platform ??= this.#connect({ kind: 'kept' }, choice);
    return this.#platform;
  }

  /**
   * Ends the saved session on the server, and deletes the saved login and every trace of it.
   * @returns false if the server did not answer
   */
  async forgetLogin(): Promise<boolean> {
    const ended = await (await this.savedPlatform()).session.logout();
    await this.#tokenStore?.forget();
    return ended;
  }

  /** The options of an HTTP client that prints every request for `--debug`. */
  get trace() {
    if (!this.options.debug) return {};
    return {
      onRequest: ({ method, url, status, ms, requestId, error }: RequestTrace): void =>
        this.out.trace(`> ${method} ${url} ${status ?? String(error)} ${Math.round(ms)} ms ${requestId ?? ''}`),
    };
  }

  async #connect(identity: Identity, { server, createProfile = false }: PlatformChoice = {}): Promise<ClServer> {
    const profile = await this.profileName();
    if (!createProfile) await this.profiles.assertExists(profile);
    const [{ ClServer, JWTAuthProvider, NoAuthProvider }, urls] = await Promise.all([
      import('@cl-server/client'),
      this.#urls(await this.profiles.get(profile), server ?? this.options.server),
    ]);
    this.#hasOwnToken = identity.kind === 'token';
    if (identity.kind === 'kept')
      this.#tokenStore = new FileTokenStore(this.configFolder, profile, urls.auth, this.signal);
    return new ClServer({
      urls,
      ...(identity.kind === 'guest' && { auth: new NoAuthProvider() }),
      ...(identity.kind === 'token' && { auth: new JWTAuthProvider(identity.token) }),
      ...(identity.kind === 'login' && { credentials: identity.credentials }),
      ...(this.#tokenStore && { tokenStore: this.#tokenStore, device: `cl-client on ${os.hostname()}` }),
      transports: transportsOf(this.options.transport),
      http: this.trace,
    });
  }

  /** The addresses by precedence: options, `--server`, the environment, `CL_SERVER`, the profile, this machine. */
  async #urls(saved: Profile, server: string | undefined): Promise<ServerUrls> {
    const { options } = this;
    const { env } = this.world;
    const found = server ? await addressesOf(server, this) : {};
    const foundByEnvironment = !server && env.CL_SERVER ? await addressesOf(env.CL_SERVER, this) : {};
    const { auth_url: auth, store_url: store, compute_url: compute, mqtt_url: mqtt } = saved;
    const { resolveUrls } = await import('@cl-server/client');
    const given = {
      auth: options.authUrl,
      store: options.storeUrl,
      compute: options.computeUrl,
      mqtt: options.mqttUrl,
    };
    return resolveUrls({
      args: { ...found, ...defined(given) },
      env,
      file: { ...defined({ auth, store, compute, mqtt }), ...foundByEnvironment },
    });
  }

  /** Returns the error that the user sees: one that names the cause, if it is known. */
  async explained(error: unknown): Promise<unknown> {
    const platform = await this.#platform?.catch(() => undefined);
    if (!isRefusedToken(error) || this.signal.aborted) return explained(error, platform, this.signal);
    const profile = await this.profileName();
    const command = profile === (await this.profiles.current()) ? 'cl-client' : `cl-client --profile ${profile}`;
    const user = await this.#tokenStore?.endedUser();
    if (user !== undefined)
      return new CliError(
        'Your session has expired',
        EXIT.auth,
        `Log in again with: ${command} login -u ${user}`,
        'session_expired',
      );
    const hint = this.#hasOwnToken
      ? 'The token of --token or CL_TOKEN is not valid any more; a login prints another with: cl-client token'
      : `Log in with: ${command} login`;
    return new CliError(error.message, EXIT.auth, hint, failureOf(error, false).code);
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
