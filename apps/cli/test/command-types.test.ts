/** The types of arguments and options come from the texts that declare them. The compiler alone checks this. */
import { describe, expectTypeOf, it } from 'vitest';
import type { Leaf } from '../src/command.js';
import type { ArgumentsOf, OptionOf } from '../src/command-types.js';

declare const leaf: Leaf<ArgumentsOf<'move <id> [to]'>>;

/** Never called. */
export const commands = () => {
  leaf.option('-l, --limit <n>', 'a number', Number).run(async (_context, id, to, { limit, json }) => {
    expectTypeOf([id, to, limit, json] as const).toEqualTypeOf<
      readonly [string, string | undefined, number | undefined, boolean | undefined]
    >();
  });
  leaf.choice('--by <kind>', 'a word', ['clip', 'dino']).run(async (_context, _id, _to, { by }) => {
    expectTypeOf(by).toEqualTypeOf<'clip' | 'dino' | undefined>();
  });
  // @ts-expect-error: the command has no such option
  leaf.option('--yes', 'a switch').run(async (_context, _id, _to, { force }) => void force);
  const named = leaf.option('--name <name>', 'a text');
  // @ts-expect-error: the option is a text
  named.run(async (_context, _id, _to, { name }: { name?: number }) => void name);
  // @ts-expect-error: the first argument is a text
  leaf.run(async (_context, id: number) => void id);
};

describe('the declaration of a command', () => {
  it('gives the types of its arguments', () => {
    expectTypeOf<ArgumentsOf<'list'>>().toEqualTypeOf<[]>();
    expectTypeOf<ArgumentsOf<'delete <ids...>'>>().toEqualTypeOf<[string[]]>();
    expectTypeOf<ArgumentsOf<'run <task> [words...]'>>().toEqualTypeOf<[string, string[]]>();
  });

  it('gives the names and types of its options', () => {
    expectTypeOf<OptionOf<'--page-size <n>', number>>().toEqualTypeOf<{ readonly pageSize?: number }>();
    expectTypeOf<OptionOf<'-y, --yes', string>>().toEqualTypeOf<{ readonly yes?: boolean }>();
    expectTypeOf<OptionOf<'--no-wait', string>>().toEqualTypeOf<{ readonly wait?: boolean }>();
  });
});
