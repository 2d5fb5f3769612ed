/** The type of an HTTP endpoint, with the limits on its body. */
import type { z } from 'zod';

/**
 * The guard of an endpoint says who may call it. Each service maps a guard to its own rule and messages:
 *
 * | guard | rule |
 * |---|---|
 * | `public` | anyone |
 * | `user` | any valid token |
 * | `admin` | a token whose `is_admin` is true |
 * | `compute` | `ai_inference_support`, or anyone in the service's guest mode |
 * | `read` | `media_store_read`, or anyone in the store's guest mode (a bad token is still refused) |
 * | `media` | as `read`; a signed URL of the store is accepted too |
 * | `write` | `media_store_write` |
 * | `service` | the services' own credential |
 */
export const GUARDS = ['public', 'user', 'admin', 'compute', 'read', 'media', 'write', 'service'] as const;
export type Guard = (typeof GUARDS)[number];

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface ResponseSpec {
  readonly description: string;
  /** Schema of a JSON body; absent for an empty body and for `content`. */
  readonly schema?: z.ZodType;
  /** Media type of a body that is not JSON. */
  readonly content?: string;
}

/** The documented responses of an endpoint, by status. */
export type Responses = Readonly<Record<number, ResponseSpec>>;

/** Stands for a body that is not JSON in the types of answers. No value has this type. */
export interface RawContent {
  readonly [RAW_CONTENT]: true;
}
declare const RAW_CONTENT: unique symbol;

export interface FileSpec {
  readonly required: boolean;
  readonly description: string;
}

/** The definition of an endpoint. */
interface EndpointSpec<
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Form extends z.ZodObject,
  Json extends z.ZodType,
  Verb extends Method,
  Path extends string,
> {
  /** `operationId`; unique within a service. */
  readonly id: string;
  readonly method: Verb;
  /** Path in OpenAPI form: `/users/{user_id}`. A last segment `{name*}` matches the rest of the path. */
  readonly path: Path;
  /** Other paths with the same handler. OpenAPI documents omit them. */
  readonly aliases?: readonly string[];
  /** The alias that the API document names instead of `path`, if `path` is not allowed there. */
  readonly documentedPath?: string;
  readonly guard: Guard;
  readonly tag: string;
  readonly summary: string;
  readonly params?: Params;
  readonly query?: Query;
  /** Fields of an urlencoded or multipart body. An empty text counts as absent unless `presence` is set. */
  readonly form?: Form;
  /** True if an empty field differs in meaning from an absent one (PATCH). */
  readonly presence?: boolean;
  /** Names of the accepted file parts. If there are any, the body may be multipart. */
  readonly files?: Readonly<Record<string, FileSpec>>;
  readonly json?: Json;
  /**
   * Maximum number of bytes of the body without its files; the default depends on the kind of body, see `bodyLimit`. An
   * urlencoded body may have three times as many, because each byte of a text may take three there.
   */
  readonly maxBody?: number;
  /**
   * The endpoint is answered even while the service refuses everything else because it is overloaded: it costs next to
   * nothing, and other programs would fail without it.
   */
  readonly isVital?: true;
  /** Responses by status. A plain return value of the handler is sent with the first 2xx status. */
  readonly responses: Responses;
}

/**
 * One HTTP endpoint. Routes, OpenAPI documents, the authorization matrix, the types of handlers' answers and of the SDK's
 * results, and the coverage tests of the SDK and the CLI are all derived from these definitions.
 */
export interface Endpoint<
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Form extends z.ZodObject,
  Json extends z.ZodType,
  Bodies,
  Verb extends Method = Method,
  Path extends string = string,
> extends EndpointSpec<Params, Query, Form, Json, Verb, Path> {
  /** Never set. It carries the types of the bodies by status, as `endpoint` infers them from `responses`. */
  readonly bodies?: Bodies;
}

/**
 * Checks the shape of an endpoint and keeps its types. The types of the bodies are computed here, once, and without a
 * name: TypeScript would print a named type together with all schemas that it was computed from into each declaration
 * file. A refusal without a schema has no type here, because handlers throw it as an error.
 */
export function endpoint<
  R extends Responses,
  Verb extends Method,
  Path extends string,
  P extends z.ZodObject = z.ZodObject<Record<never, never>>,
  Q extends z.ZodObject = z.ZodObject<Record<never, never>>,
  F extends z.ZodObject = z.ZodObject<Record<never, never>>,
  J extends z.ZodType = z.ZodUndefined,
>(
  spec: EndpointSpec<P, Q, F, J, Verb, Path> & { readonly responses: R },
): Endpoint<
  P,
  Q,
  F,
  J,
  {
    readonly [S in keyof R as R[S] extends { schema: z.ZodType } | { content: string }
      ? S
      : `${S & number}` extends `4${string}` | `5${string}`
        ? never
        : S]: R[S] extends { schema: infer Schema extends z.ZodType }
      ? z.input<Schema>
      : R[S] extends { content: string }
        ? RawContent
        : undefined;
  },
  Verb,
  Path
> {
  return Object.freeze(spec);
}

/** Maximum number of bytes of a form or of JSON if the endpoint does not set its own limit. */
export const DEFAULT_BODY_LIMIT = 65_536;

/** Maximum number of bytes of a body without its files; 0 if the endpoint reads no body. */
export const bodyLimit = ({ form, files, json, maxBody }: AnyEndpoint): number =>
  maxBody ?? (form || files || json ? DEFAULT_BODY_LIMIT : 0);

/** An endpoint with any schemas, for tables of endpoints. */
// biome-ignore lint/suspicious/noExplicitAny: the only way to say "some endpoint" with invariant parameters
export type AnyEndpoint = Endpoint<any, any, any, any, any>;

/** The types of an endpoint's bodies, by status. */
export type Bodies<E> = E extends { readonly bodies?: infer B } ? NonNullable<B> : never;

/** The body of an endpoint's first 2xx response, as it is sent: what a handler returns and a client receives. */
export type Output<E> = FirstSuccess<Bodies<E>>;

/** The body of the lowest 2xx status, which is also the first one that `Object.keys` returns. */
type FirstSuccess<B> = B extends { readonly 200: infer Body }
  ? Body
  : B extends { readonly 201: infer Body }
    ? Body
    : B extends { readonly 202: infer Body }
      ? Body
      : B extends { readonly 204: infer Body }
        ? Body
        : never;
