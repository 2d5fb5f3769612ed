/** Answers of handlers that the compiler accepts or refuses. The handlers are never called. */
import { type Bodies, endpoint, type Output, type RawContent } from '@cl-server/contract';
import type { FastifyReply } from 'fastify';
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { Answer, type App } from '../src/index.js';

const common = { guard: 'public', tag: 'test', summary: 'A test' } as const;
const photo = z.object({ id: z.int(), title: z.string().nullable() });

const read = endpoint({
  ...common,
  id: 'read',
  method: 'GET',
  path: '/photos/{id}',
  params: z.object({ id: z.string() }),
  responses: {
    200: { description: 'The photo', schema: photo },
    202: { description: 'Not yet', schema: z.object({ detail: z.literal('reading') }) },
    404: { description: 'No such photo' },
  },
});
const remove = endpoint({
  ...common,
  id: 'remove',
  method: 'DELETE',
  path: '/photos/{id}',
  responses: { 204: { description: 'Gone' } },
});
const download = endpoint({
  ...common,
  id: 'download',
  method: 'GET',
  path: '/photos/{id}/bytes',
  responses: { 200: { description: 'The bytes', content: 'image/jpeg' }, 304: { description: 'Not changed' } },
});

declare const app: Pick<App, 'handle'>;
declare const sent: FastifyReply;

/** Each line is one answer; `@ts-expect-error` fails the type check if the compiler accepts the line after it. */
export const answers = (): void => {
  app.handle(read, () => ({ id: 1, title: 'Beach' }));
  app.handle(read, async ({ params }) => ({ id: Number(params.id), title: null }));
  app.handle(read, () => new Answer(202, { detail: 'reading' }, { 'retry-after': '1' }));
  app.handle(read, async () =>
    Math.random() > 0.5 ? new Answer(200, { id: 1, title: null }) : { id: 2, title: null },
  );
  app.handle(read, () => {
    throw new Error('handlers may always throw');
  });
  // @ts-expect-error: `title` has another name here
  app.handle(read, () => ({ id: 1, name: 'Beach' }));
  // @ts-expect-error: the same in an async handler
  app.handle(read, async () => ({ id: 1, name: 'Beach' }));
  // @ts-expect-error: `id` is a number
  app.handle(read, () => ({ id: '1', title: null }));
  // @ts-expect-error: the body is missing
  app.handle(read, () => undefined);
  // @ts-expect-error: the same in an async handler
  app.handle(read, async () => {});
  // @ts-expect-error: the body of 202 is another one
  app.handle(read, () => new Answer(202, { id: 1, title: null }));
  // @ts-expect-error: the endpoint documents no 201
  app.handle(read, () => new Answer(201, { id: 1, title: null }));
  // @ts-expect-error: a refusal is thrown, so that its body is an error's
  app.handle(read, () => new Answer(404, undefined));
  // @ts-expect-error: nothing checks what a reply has sent, and this body is JSON
  app.handle(read, () => sent);

  app.handle(remove, () => undefined);
  app.handle(remove, async () => {});
  app.handle(remove, () => new Answer(204, undefined));
  // @ts-expect-error: the documented body is empty
  app.handle(remove, () => ({ id: 1 }));

  app.handle(download, () => sent);
  app.handle(download, async () => sent);
  app.handle(download, () => new Answer(200, new Uint8Array(1), { 'content-type': 'image/jpeg' }));
  app.handle(download, () => new Answer(304, undefined));
  // @ts-expect-error: the documented body is no JSON
  app.handle(download, () => ({ id: 1 }));
};

describe('the types of an endpoint', () => {
  it('hold the body of each documented status', () => {
    expectTypeOf<Bodies<typeof read>>().toEqualTypeOf<{
      readonly 200: { id: number; title: string | null };
      readonly 202: { detail: 'reading' };
    }>();
    expectTypeOf<Bodies<typeof download>>().toEqualTypeOf<{ readonly 200: RawContent; readonly 304: undefined }>();
  });

  it('give the body of the first success as its output', () => {
    expectTypeOf<Output<typeof read>>().toEqualTypeOf<{ id: number; title: string | null }>();
    expectTypeOf<Output<typeof remove>>().toEqualTypeOf<undefined>();
  });

  it('keep the method and the path', () => {
    expectTypeOf(read.method).toEqualTypeOf<'GET'>();
    expectTypeOf(read.path).toEqualTypeOf<'/photos/{id}'>();
  });
});
