import { defineConfig } from 'vitest/config';

export default defineConfig({
  ssr: { resolve: { conditions: ['cl-source', 'module', 'node'] } },
  test: {
    include: ['{packages,services,apps}/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['./testing/src/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    server: { deps: { inline: [/@cl-server\//] } },
  },
});
