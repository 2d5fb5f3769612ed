/** Bodies that are read whole: JSON and urlencoded forms, each bounded by its endpoint and by the process's budget. */

import { parseJson } from '@cl-server/contract';
import { messageOf } from '@cl-server/kit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { badRequest, HttpError } from '../errors.js';
import type { BodyBudget, BodyLease } from './body-budget.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The part of the budget that the body holds; released when the request ends. */
    bodyLease: BodyLease | null;
  }
  interface FastifyContextConfig {
    /** Bytes that the body may have beside its files; absent or 0: it is not read. */
    readonly maxBody?: number;
    /** Whether the body is more than a form or JSON, and may take its time. */
    readonly takesFiles?: boolean;
  }
}

/** Each byte of a text may take three in an urlencoded form. */
const URLENCODED_FACTOR = 3;

export const tooLarge = (limit: number): HttpError =>
  new HttpError(413, `The body is too large: this endpoint reads ${limit} bytes at most`);

/** @throws HttpError 400 broken off, 413, 503 */
async function readText(request: FastifyRequest, limit: number): Promise<string> {
  const { raw } = request;
  if (Number(raw.headers['content-length'] ?? 0) > limit) throw tooLarge(limit);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw tooLarge(limit);
      request.bodyLease?.add(chunk.length);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof HttpError) throw error;
    throw badRequest('The body broke off', { cause: error });
  }
  return Buffer.concat(chunks).toString('utf8');
}

function asJson(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return parseJson(text);
  } catch (error) {
    throw badRequest(`The body is not valid JSON: ${messageOf(error)}`, { cause: error });
  }
}

const asForm = (text: string): Record<string, string> => Object.fromEntries(new URLSearchParams(text));

/**
 * Makes an app read bodies. Each is read after the guard, and only where the endpoint takes one; what is left of others
 * is dropped at the end of the request.
 */
export function prepareBodies(fastify: FastifyInstance, budget: BodyBudget): void {
  fastify.decorateRequest('bodyLease', null);
  fastify.addHook('preParsing', (request, reply, _payload, done) => {
    const lease = budget.lease(request.claims?.id ?? request.ip);
    request.bodyLease = lease;
    // A client that leaves ends its answer without a word to `onResponse`; an injected one never closes.
    reply.raw.once('finish', lease.release).once('close', lease.release);
    done();
  });
  fastify.removeAllContentTypeParsers();
  const read = (factor: number, parse: (text: string) => unknown) => async (request: FastifyRequest) => {
    const limit = factor * (request.routeOptions.config.maxBody ?? 0);
    return limit === 0 ? undefined : parse(await readText(request, limit));
  };
  fastify.addContentTypeParser('application/json', read(1, asJson));
  fastify.addContentTypeParser('application/x-www-form-urlencoded', read(URLENCODED_FACTOR, asForm));
  // Read by the handler itself, straight to disk.
  fastify.addContentTypeParser('multipart/form-data', (_request, _payload, done) => done(null));
}
