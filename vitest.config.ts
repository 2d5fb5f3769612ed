import { configDefaults, defineConfig } from 'vitest/config';

const HOSTILE = 'test/hostile/**/*.test.ts';

export default defineConfig({
  ssr: { resolve: { conditions: ['cl-source', 'module', 'node'] } },
  test: {
    globalSetup: ['./testing/src/global-setup.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    server: { deps: { inline: [/@cl-server\//] } },
    projects: [
      {
        extends: true,
        test: {
          name: 'all',
          include: ['{packages,services,apps}/*/test/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, HOSTILE],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // An attack takes all that the machine has. It runs alone, because others must get answers meanwhile.
        extends: true,
        test: { name: 'hostile', include: [HOSTILE], maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
