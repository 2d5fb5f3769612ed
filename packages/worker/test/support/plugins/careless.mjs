/** Makes the mistakes of a first plugin, for tests of the messages that its author reads. */
const actions = {
  nothing: async () => undefined,
  list: async () => [1],
  no_file: async () => ({ done: true }),
  write: async ({ files, params }) => {
    await files.write(params.output_path, 'written');
    return { done: true };
  },
  log: async (context) => {
    context.logger.info('only a text');
    context.logger.warn('a text first', { detail: 8 });
    context.logger.error(new Error('an error alone'));
    return actions.write(context);
  },
};

export default ({ defineTask, field, z }) =>
  defineTask({
    type: 'careless',
    version: '1',
    summary: 'Makes mistakes',
    file: 'none',
    params: z.object({ action: field.choice(Object.keys(actions)) }),
    output: z.object({ done: z.boolean() }),
    outputPath: 'output/main.txt',
    requirements: { tools: ['a-tool', 'sh'] },
    load: async () => ({
      run: async (context) => {
        if (!context.env.tools.sh || !context.env.tools['a-tool']) throw new Error('a tool is missing');
        return actions[context.params.action](context);
      },
    }),
  });
