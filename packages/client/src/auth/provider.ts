/** The source of a request's credentials. */
export interface AuthProvider {
  /** Headers for one request; a provider that can refresh does so here, before the token expires. */
  headers(signal?: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /**
   * Called once after a 401.
   * @param sent the headers that were refused
   * @returns true if `headers()` now gives others, so that the request is worth another try
   */
  renew?(sent: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<boolean>;
  /** The bare token, where there is one: MQTT takes it as a password. */
  token?(signal?: AbortSignal): Promise<string | undefined>;
}

/** Sends nothing: for services in guest or no-auth mode, and for public reads. */
export class NoAuthProvider implements AuthProvider {
  /**
   * No headers.
   *
   * @example
   * ```ts
   * const nothing = await new sdk.NoAuthProvider().headers();
   * ```
   */
  async headers(): Promise<Readonly<Record<string, string>>> {
    return {};
  }
}

/** Gives a token, or a promise of one. */
export type TokenGetter = () => string | Promise<string>;

/**
 * Sends a bearer token that somebody else looks after.
 *
 * @example
 * ```ts
 * const compute = new ComputeClient({ baseUrl: 'http://localhost:8002', auth: new JWTAuthProvider(token) });
 * ```
 */
export class JWTAuthProvider implements AuthProvider {
  readonly #get: TokenGetter;

  /** @param token the token, or a function that gives a valid one for every request */
  constructor(token: string | TokenGetter) {
    this.#get = typeof token === 'string' ? () => token : token;
  }

  /**
   * The token that somebody else looks after.
   *
   * @example
   * ```ts
   * const text = await new JWTAuthProvider(token).token();
   * ```
   */
  async token(): Promise<string> {
    return this.#get();
  }

  /**
   * The token as a header.
   *
   * @example
   * ```ts
   * const headers = await new JWTAuthProvider(() => token).headers();
   * ```
   */
  async headers(): Promise<Readonly<Record<string, string>>> {
    return { authorization: `Bearer ${await this.#get()}` };
  }

  /**
   * Whether somebody else has another token by now.
   *
   * @example
   * ```ts
   * const provider = new JWTAuthProvider(() => token);
   * const worthAnotherTry = await provider.renew(await provider.headers());
   * ```
   */
  async renew(sent: Readonly<Record<string, string>>): Promise<boolean> {
    return sent.authorization !== (await this.headers()).authorization;
  }
}

/**
 * The provider of a client that was given none.
 *
 * @example
 * ```ts
 * const compute = new ComputeClient({ baseUrl: 'http://localhost:8002', auth: sdk.getDefaultAuth() });
 * ```
 */
export const getDefaultAuth = (): AuthProvider => new NoAuthProvider();
