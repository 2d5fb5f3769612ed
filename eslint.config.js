// Biome does the rest. Two rules need types, two ban regular expressions whose time grows faster than their text, one keeps
// the differences between the databases in one place, and one keeps stored bytes behind the blob store.
import * as regexp from 'eslint-plugin-regexp';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', 'docs/**', '**/*.js', '**/*.cjs', '**/*.mjs'] },
  {
    files: ['{packages,services,apps}/*/src/**/*.ts', 'testing/src/**/*.ts'],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { '@typescript-eslint': tseslint.plugin, regexp },
    linterOptions: { reportUnusedDisableDirectives: 'off' },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      'regexp/no-super-linear-backtracking': ['error', { report: 'potential' }],
      'regexp/no-super-linear-move': ['error', { report: 'potential' }],
    },
  },
  {
    files: ['{packages,services}/*/src/**/*.ts'],
    ignores: ['packages/service-kit/src/database/**', '**/migrations/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "BinaryExpression[operator=/^[!=]==?$/] > MemberExpression[property.name='dialect']",
          message: 'Ask the adapter of the database (packages/service-kit/src/database/adapter.ts), or use byDialect.',
        },
      ],
    },
  },
  {
    files: ['{services/store,packages/insight}/src/**/*.ts'],
    ignores: [
      'services/store/src/files/media-folder.ts', // empties the folder of uploads that are being received, which are no blobs
      'services/store/src/uploads/**', // unfinished uploads grow in place on this machine until they become blobs
      'services/store/src/media/**', // processes in which tools read and write the files that a blob store gave them
    ],
    rules: {
      'no-restricted-imports': [
        'error',
        ...['node:fs', 'node:fs/promises'].map((name) => ({
          name,
          message: 'Media and what is made of them are blobs: use a BlobStore (packages/blobs).',
        })),
      ],
    },
  },
);
