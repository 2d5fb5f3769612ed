import { describe, expect, it } from 'vitest';
import { defineTask, field, outputPath, parseParams, storedParams, taskSchemas, z } from '../src/index.js';

const task = defineTask({
  type: 'crop',
  version: '1',
  summary: 'Crops',
  params: z.object({
    width: field.int({ ge: 1 }),
    fit: field.bool().default(true),
    points: field.json(z.array(z.number())).optional(),
  }),
  output: z.object({ area: z.number() }),
  outputPath: (params, input) => `output/${params.width}-${input?.name ?? 'none'}`,
  load: async () => ({ run: async () => ({ area: 1 }) }),
});

describe('parameters of a task', () => {
  it('have the same types from form text and from JSON values; null and empty text are absent', () => {
    const typed = { width: 5, fit: false, points: [1, 2] };
    expect(parseParams(task, { width: '05', fit: 'NO', points: '[1,2]' }).data).toEqual(typed);
    expect(parseParams(task, typed).data).toEqual(typed);
    expect(parseParams(task, { width: 5, fit: '', points: null }).data).toEqual({ width: 5, fit: true });
    expect(parseParams(task, { width: 0 }).error?.issues).toMatchObject([{ path: ['width'] }]);
    expect(parseParams(task, {}).success).toBe(false);
  });

  it('are stored after the paths that clients read', () => {
    const input = { path: 'input/a.png', name: 'a.png', size: 3 };
    expect(storedParams(task, { width: 5, fit: true }, input)).toEqual({
      input_path: 'input/a.png',
      output_path: 'output/5-a.png',
      width: 5,
      fit: true,
    });
    expect(outputPath({ ...task, outputPath: undefined } as never, {}, undefined)).toBe('output/crop.json');
  });

  it('are described as JSON Schemas with their real types', () => {
    expect(taskSchemas(task)).toMatchObject({
      params: {
        properties: { width: { type: 'integer', minimum: 1 }, fit: { type: 'boolean', default: true } },
        required: ['width'],
      },
      output: { properties: { area: { type: 'number' } } },
    });
  });

  it('are refused at once if the definition is faulty', () => {
    for (const [wrong, message] of [
      [{ type: 'Bad Name' }, 'lower-case'],
      [{ type: 'batch' }, 'reserved'],
      [{ version: '' }, 'version'],
      [{ timeout: 0 }, 'timeout'],
      [{ concurrency: 1.5 }, 'concurrency'],
    ] as const)
      expect(() => defineTask({ ...task, ...wrong })).toThrow(message);
  });
});

describe('options of fields', () => {
  it.each([
    ['int', () => field.int({ min: 1, max: 9 } as never), 'field.int has no option "min": use "ge"'],
    ['float', () => field.float({ maximum: 1 } as never), 'field.float has no option "maximum": use "le"'],
    ['float', () => field.float({ step: 1 } as never), 'its options are field.float({ ge: …, le: …, gt: … })'],
    ['int', () => field.int(5 as never), 'takes its options as an object'],
    ['int', () => field.int({ ge: '1' } as never), 'the option "ge" must be a number'],
    ['text', () => field.text({ maxLength: 5 } as never), 'field.text has no option "maxLength": use "max"'],
    ['choice', () => field.choice('small' as never), "field.choice(['small', 'large'])"],
    ['json', () => field.json(undefined as never), 'takes the schema of the parsed value'],
  ])('%s refuses what it does not know and names what it does', (_, make, message) => {
    expect(make).toThrow(message);
  });
});

describe('a definition', () => {
  const parts = { ...task, requirements: { tools: ['python3'] } };
  it('refuses keys and names of tools that would have no effect', () => {
    expect(() => defineTask(parts)).not.toThrow();
    expect(() => defineTask({ ...parts, ouputPath: 'x' } as never)).toThrow(
      'has no key "ouputPath"; its keys are type',
    );
    expect(() => defineTask({ ...parts, requirements: { tool: ['x'] } } as never)).toThrow('only tools and models');
    expect(() => defineTask({ ...parts, requirements: { tools: ['/bin/sh'] } })).toThrow('not the name of a program');
  });
});
