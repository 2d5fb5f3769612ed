// Biome does the rest. Two rules need types, two ban regular expressions whose time grows faster than their text, and one
// keeps the differences between the databases in one place.
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
);
