import type { z } from 'zod';

/**
 * Who may call an endpoint. Each service maps a guard to its own rule and texts:
 *
 * | guard | rule |
 * |---|---|
 * | `public` | anyone |
 * | `user` | any valid token |
 * | `admin` | a token whose `is_admin` is true |
 * | `compute` | `ai_inference_support`, or the service's guest mode |
 * | `read` | `media_store_read`; in the store's guest mode anyone (a bad token is still refused) |
 * | `media` | as `read`; a signed URL of the store is accepted too |
 * | `write` | `media_store_write` |
 * | `service` | the services' own credential |
 */
export const GUARDS = ['public', 'user', 'admin', 'compute', 'read', 'media', 'write', 'service'] as const;
export type Guard = (typeof GUARDS)[number];

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface ResponseSpec {
  readonly description: string;
  /** JSON body; absent for an empty body or for `content`. */
  readonly schema?: z.ZodType;
  /** Media type of a body that is not JSON. */
  readonly content?: string;
}

export interface FileSpec {
  readonly required: boolean;
  readonly description: string;
}

/**
 * One HTTP endpoint. Routes, OpenAPI, the authorisation matrix and the coverage test of the SDK and the CLI are all
 * read from these.
 */
export interface Endpoint<
  Params extends z.ZodObject = z.ZodObject,
  Query extends z.ZodObject = z.ZodObject,
  Form extends z.ZodObject = z.ZodObject,
  Json extends z.ZodType = z.ZodType,
> {
  /** `operationId`; unique within a service. */
  readonly id: string;
  readonly method: Method;
  /** OpenAPI form: `/users/{user_id}`. A last segment `{name*}` takes the rest of the path. */
  readonly path: string;
  /** Other spellings answered alike; documented only here. */
  readonly aliases?: readonly string[];
  readonly guard: Guard;
  readonly tag: string;
  readonly summary: string;
  readonly params?: Params;
  readonly query?: Query;
  /** Fields of an urlencoded or multipart body. An empty text counts as absent unless `presence` is set. */
  readonly form?: Form;
  /** True where a field that is present but empty means something else than an absent one (PATCH). */
  readonly presence?: boolean;
  /** Accepted names of file parts. The body may then be multipart. */
  readonly files?: Readonly<Record<string, FileSpec>>;
  readonly json?: Json;
  /**
   * Bytes that the body may have beside its files; default: by kind, see `bodyLimit`. An urlencoded body may have three
   * times as many, because each byte of a text may take three there.
   */
  readonly maxBody?: number;
  /**
   * Answered while the service refuses everything else because it is overloaded: it costs next to nothing, and others
   * would fail without it.
   */
  readonly isVital?: true;
  /** By status; the first 2xx is what a handler's plain return value is sent with. */
  readonly responses: Readonly<Record<number, ResponseSpec>>;
}

/** Keeps the schemas' types while checking the shape. */
export function endpoint<
  P extends z.ZodObject = z.ZodObject<Record<never, never>>,
  Q extends z.ZodObject = z.ZodObject<Record<never, never>>,
  F extends z.ZodObject = z.ZodObject<Record<never, never>>,
  J extends z.ZodType = z.ZodUndefined,
>(spec: Endpoint<P, Q, F, J>): Endpoint<P, Q, F, J> {
  return Object.freeze(spec);
}

/** Bytes of a form or of JSON, where an endpoint does not say otherwise. */
export const DEFAULT_BODY_LIMIT = 65_536;

/** Bytes that a body may have beside its files; 0 where none is read. */
export const bodyLimit = ({ form, files, json, maxBody }: AnyEndpoint): number =>
  maxBody ?? (form || files || json ? DEFAULT_BODY_LIMIT : 0);

/** An endpoint whatever its schemas, for tables. */
// biome-ignore lint/suspicious/noExplicitAny: the only way to say "some endpoint" with four invariant parameters
export type AnyEndpoint = Endpoint<any, any, any, any>;
