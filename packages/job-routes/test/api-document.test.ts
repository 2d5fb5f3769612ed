import { openApiDocument, taskEndpoint } from '@cl-server/contract';
import { expect, it } from 'vitest';
import { z } from 'zod';

it('named schemas of two plugins keep apart in the API document, and every reference leads to one', () => {
  const taskOf = (type: string, ...words: [string, ...string[]]) => {
    const quality = z.enum(words).meta({ id: 'Quality' });
    return taskEndpoint({ type, summary: 'A task', params: z.object({ first: quality, second: quality.optional() }) });
  };
  const tasks = [taskOf('paint', 'rough', 'fine'), taskOf('print', 'draft', 'final')];
  const document = openApiDocument({ title: 'T', version: '1', description: '' }, tasks);
  const { schemas } = document['components'] as { schemas: Record<string, unknown> };
  expect(schemas).toMatchObject({
    'create_paint_job.form.Quality': { enum: ['rough', 'fine'] },
    'create_print_job.form.Quality': { enum: ['draft', 'final'] },
  });
  const text = JSON.stringify(document);
  const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name);
  expect(Object.keys(schemas)).toEqual(expect.arrayContaining(references));
  expect(text).not.toContain('$defs');
});
