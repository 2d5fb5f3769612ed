/** Requests: as they are sent, and as calls of the contract's endpoints, which the compiler checks. */
import type { AnyEndpoint } from '@cl-server/contract';
import type { AuthProvider } from '../auth/provider.js';
import type { FileBody } from '../files/file-body.js';
import type { Fields, OnProgress } from './body.js';

export interface RequestSpec {
  readonly method: 'HEAD' | 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Encoded, beginning with a slash. */
  readonly path: string;
  readonly query?: Fields;
  /** Sent urlencoded, or as multipart beside a file. */
  readonly form?: Fields;
  readonly json?: unknown;
  /** Sent as it is; its type goes into `headers`. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
  readonly file?: { readonly field: string; readonly body: FileBody; readonly onProgress?: OnProgress | undefined };
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether sending it twice does no more than once. Default: GET and DELETE. */
  readonly idempotent?: boolean;
  /** Other credentials than the client's. */
  readonly auth?: AuthProvider;
}

/** `{job_id}` and `{file_path*}` give `job_id` and `file_path`. */
type ParamNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? (Name extends `${infer Tail}*` ? Tail : Name) | ParamNames<Rest>
  : never;

/** The input of a schema of the contract: what is sent. */
type Input<Schema> = Schema extends { readonly _zod: { readonly input: infer Sent } } ? Sent : never;

/** Values that are sent are only read. */
type ReadonlyDeep<Value> = Value extends readonly (infer Item)[]
  ? readonly ReadonlyDeep<Item>[]
  : Value extends object
    ? { readonly [Key in keyof Value]: ReadonlyDeep<Value[Key]> }
    : Value;

/** Fields travel as text, so that any value may be given for them; their names are the endpoint's. */
type FieldsOf<Schema> = { readonly [Name in keyof Input<Schema>]?: unknown };

/** A request to one endpoint. A request that needs no path parameters has no `params`. */
export type Call<E extends AnyEndpoint> = Omit<RequestSpec, 'method' | 'path' | 'query' | 'form' | 'json'> & {
  readonly method: E['method'];
  /** The path of the contract, with its parameters in braces. */
  readonly path: E['path'];
  readonly query?: FieldsOf<E['query']>;
  readonly form?: FieldsOf<E['form']>;
  readonly json?: ReadonlyDeep<Input<E['json']>>;
} & ([ParamNames<E['path']>] extends [never]
    ? { readonly params?: undefined }
    : { readonly params: Readonly<Record<ParamNames<E['path']>, string | number>> });

/** Encodes a value that is itself a path: its slashes stay. */
const encodePath = (value: string): string => value.split('/').map(encodeURIComponent).join('/');

/** The request with its parameters filled into the path. Each is encoded, so that none can become another segment. */
export function requestOf<E extends AnyEndpoint>({ params, ...call }: Call<E>): RequestSpec {
  const values: Readonly<Record<string, string | number>> = params ?? {};
  const path = String(call.path).replace(/\{(\w+)(\*?)\}/g, (_match, name: string, rest: string) => {
    const value = String(values[name] ?? '');
    return rest === '' ? encodeURIComponent(value) : encodePath(value);
  });
  return { ...call, path };
}
