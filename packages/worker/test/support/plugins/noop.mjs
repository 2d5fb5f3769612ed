export default ({ defineTask, z }) =>
  defineTask({
    type: 'noop',
    version: '1',
    summary: 'Does nothing',
    file: 'none',
    params: z.object({}),
    output: z.object({ ok: z.boolean() }),
    load: async () => ({ run: async () => ({ ok: true }) }),
  });
