/** Its set-up takes the process with it. */
export default ({ defineTask, z }) =>
  defineTask({
    type: 'explosive',
    version: '1',
    summary: 'Crashes when it is set up',
    file: 'none',
    params: z.object({}),
    output: z.object({}),
    load: async () => ({
      setup: async () => process.kill(process.pid, 'SIGSEGV'),
      run: async () => ({}),
    }),
  });
