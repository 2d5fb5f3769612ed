/** One endpoint's life: guard, then input, then the handler, then its answer. */
import {
  type AnyEndpoint,
  type Bodies,
  bodyLimit,
  type Endpoint,
  type Output,
  type RawContent,
  type TokenClaims,
  type ValidationItem,
} from '@cl-server/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { HttpError } from '../errors.js';
import type { Authorize } from '../tokens/guard.js';
import { restParameter, routerPath } from './path.js';
import { type ReceivedFile, type ReceivedForm, receiveForm, textForFile, type UploadOptions } from './upload.js';
import { validatePart } from './validate.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller's claims; null without a token. Set by the guard. */
    claims: TokenClaims | null;
  }
}

type Out<S> = S extends z.ZodType ? z.output<S> : undefined;
type Parts<E> =
  E extends Endpoint<infer P, infer Q, infer F, infer J, unknown>
    ? { params: Out<P>; query: Out<Q>; form: Out<F>; json: Out<J> }
    : never;

/** An answer with headers of its own, or with another status than the endpoint's first 2xx. */
export class Answer<Status extends number, const Body> {
  constructor(
    readonly status: Status,
    readonly body: Body,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {}
}

export interface Context<E extends AnyEndpoint> {
  readonly params: Parts<E>['params'];
  readonly query: Parts<E>['query'];
  readonly form: Parts<E>['form'];
  readonly json: Parts<E>['json'];
  /** Names of the form's fields that were sent, empty ones included. */
  readonly present: ReadonlySet<string>;
  readonly files: readonly ReceivedFile[];
  readonly user: TokenClaims | null;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** An `Answer` with one of the statuses that the endpoint documents, and with the body that belongs to it. */
type AnswerOf<B> = {
  [S in keyof B]: Answer<S & number, B[S] extends RawContent ? Uint8Array : B[S]>;
}[keyof B];

/** Only a body that is not JSON may be sent by the reply itself, because its type is checked by nothing. */
type SentReply<B> = RawContent extends B[keyof B] ? FastifyReply : never;

/** An async function that returns nothing gives `void`. */
// biome-ignore lint/suspicious/noConfusingVoidType: see above
type EmptyBody<Body> = undefined extends Body ? void : never;

type Result<E> = Output<E> | EmptyBody<Output<E>> | AnswerOf<Bodies<E>> | SentReply<Bodies<E>>;

/**
 * Returns the body that is sent with the endpoint's first 2xx (nothing if that is empty), an `Answer` with any other
 * documented status, or the reply that has been sent, if the endpoint documents a body that is not JSON.
 */
export type Handler<E extends AnyEndpoint> = (context: Context<E>) => Result<E> | Promise<Result<E>>;

export interface RouteOptions {
  readonly uploads?: UploadOptions | undefined;
  /** Replaces the app's authorizer, e.g. where a signed URL counts too. */
  readonly authorize?: Authorize;
}

/** Takes handlers for the endpoints of a service. */
export interface EndpointTable {
  handle<E extends AnyEndpoint>(endpoint: E, handler: Handler<E>, options?: RouteOptions): void;
}

interface HandlerOptions extends RouteOptions {
  readonly authorize: Authorize;
  readonly checkResponses: boolean;
}

interface RawInput {
  params: unknown;
  query: unknown;
  fields: Record<string, string>;
  files: readonly ReceivedFile[];
  /** A body that is no form, where one is due. */
  unreadJson: boolean;
}

const successStatus = (endpoint: AnyEndpoint): number =>
  Number(Object.keys(endpoint.responses).find((status) => status.startsWith('2')) ?? 200);

const isMultipart = (request: FastifyRequest): boolean =>
  /^multipart\/form-data/i.test(request.headers['content-type'] ?? '');

/** Repeated query keys: the last one counts, as it always did. */
function flatQuery(query: unknown): Record<string, unknown> {
  const flat: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(query as Record<string, unknown>))
    flat[key] = Array.isArray(value) ? value.at(-1) : value;
  return flat;
}

const NO_FIELDS: Record<string, string> = Object.freeze({});

const withoutEmpty = (fields: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));

/** Fields of an urlencoded body. A JSON body has none, whatever its keys: half of its values could not be read as texts. */
const urlencodedFields = (request: FastifyRequest): Record<string, string> =>
  /^application\/x-www-form-urlencoded/i.test(request.headers['content-type'] ?? '')
    ? ((request.body ?? NO_FIELDS) as Record<string, string>)
    : NO_FIELDS;

const SEND_A_FORM = 'A form is read here, not JSON: send application/x-www-form-urlencoded or multipart/form-data';

/** Whether JSON came where a form is due: nothing must look done that was not even read. */
function isUnreadJson(request: FastifyRequest): boolean {
  const { body } = request;
  if (!/^application\/json/i.test(request.headers['content-type'] ?? '')) return false;
  return typeof body === 'object' ? Object.keys(body ?? {}).length > 0 : body !== undefined;
}

function checkInput<E extends AnyEndpoint>(
  endpoint: E,
  raw: RawInput,
  body: unknown,
): Pick<Context<E>, 'params' | 'query' | 'form' | 'json'> {
  const faults: ValidationItem[] = [];
  const fields = endpoint.presence || raw.fields === NO_FIELDS ? raw.fields : withoutEmpty(raw.fields);
  const parts = {
    params: validatePart(endpoint.params, raw.params, 'path', faults),
    query: validatePart(endpoint.query, raw.query, 'query', faults),
    form: validatePart(endpoint.form, fields, 'body', faults),
    json: validatePart(endpoint.json, body, 'body', faults),
  };
  for (const [name, { required }] of Object.entries(endpoint.files ?? {})) {
    const text = fields[name];
    if (text !== undefined && text !== '') faults.push(textForFile(name, text));
    else if (required && !raw.files.some((file) => file.field === name))
      faults.push({ type: 'missing', loc: ['body', name], msg: 'Field required', input: null });
  }
  if (faults.length > 0) throw new HttpError(422, faults, raw.unreadJson ? { extra: { hint: SEND_A_FORM } } : {});
  if (raw.unreadJson) throw new HttpError(415, SEND_A_FORM);
  return parts as Pick<Context<E>, 'params' | 'query' | 'form' | 'json'>;
}

/** The router calls the rest of a path `*`. */
function namedRest({ '*': tail = '', ...params }: Record<string, string>, name: string): Record<string, string> {
  return { ...params, [name]: tail };
}

function readForm(
  endpoint: AnyEndpoint,
  request: FastifyRequest,
  uploads: UploadOptions | undefined,
): Promise<ReceivedForm> {
  return receiveForm(request.raw, {
    files: uploads ? Object.keys(endpoint.files ?? {}) : [],
    maxBody: bodyLimit(endpoint),
    uploads,
    lease: request.bodyLease,
  });
}

/**
 * Sets status and headers.
 * @returns what the router is to send; the reply itself only where nothing is left to send, since awaiting it waits for
 * the answer's end
 */
function prepare(
  reply: FastifyReply,
  result: unknown,
  success: number,
  check: (status: number, body: unknown) => void,
) {
  // A client that left in the middle of an answer leaves a reply that was begun and never counts as sent.
  if (result === reply || reply.sent || reply.raw.headersSent || reply.raw.destroyed) return reply;
  const answer = result instanceof Answer ? result : undefined;
  const status = answer ? answer.status : success;
  const body = answer ? answer.body : result;
  if (answer) reply.headers({ ...answer.headers });
  reply.code(status);
  if (body === undefined) return reply.send();
  check(status, body);
  if (body !== null && typeof body === 'object') return body;
  // Text would be sent as text/plain.
  reply.type('application/json');
  return JSON.stringify(body);
}

export function addHandler<E extends AnyEndpoint>(
  fastify: FastifyInstance,
  endpoint: E,
  handler: Handler<E>,
  options: HandlerOptions,
): void {
  const takesForm = endpoint.form !== undefined || endpoint.files !== undefined;
  const success = successStatus(endpoint);
  const check = (status: number, body: unknown): void => {
    if (options.checkResponses) endpoint.responses[status]?.schema?.parse(body);
  };

  const route = async (request: FastifyRequest, reply: FastifyReply, rest: string | undefined): Promise<unknown> => {
    const form = takesForm && isMultipart(request) ? await readForm(endpoint, request, options.uploads) : undefined;
    try {
      const params = rest === undefined ? request.params : namedRest(request.params as Record<string, string>, rest);
      const raw: RawInput = {
        params,
        query: endpoint.query && flatQuery(request.query),
        fields: form?.fields ?? (takesForm ? urlencodedFields(request) : NO_FIELDS),
        files: form?.files ?? [],
        unreadJson: takesForm && !endpoint.json && isUnreadJson(request),
      };
      const input = checkInput(endpoint, raw, request.body);
      const result = await handler({
        ...input,
        present: new Set(Object.keys(raw.fields)),
        files: raw.files,
        user: request.claims,
        request,
        reply,
      });
      return prepare(reply, result, success, check);
    } finally {
      await form?.cleanup();
    }
  };

  for (const path of [endpoint.path, ...(endpoint.aliases ?? [])]) {
    const rest = restParameter(path);
    fastify.route({
      method: endpoint.method,
      url: routerPath(path),
      config: {
        maxBody: bodyLimit(endpoint),
        takesFiles: !endpoint.json && (endpoint.files !== undefined || !endpoint.form),
      },
      onRequest: async (request) => {
        request.claims = await options.authorize(endpoint.guard, request);
      },
      handler: (request, reply) => route(request, reply, rest),
    });
  }
}
