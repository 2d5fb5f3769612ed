// Lints OpenAPI documents with Redocly's rules, and fails on errors and on warnings.
//   node scripts/lint-openapi.js [file…]      default: docs/api/{auth,store,compute}.json
import path from 'node:path';
import { createConfig, lint } from '@redocly/openapi-core';

/** Redocly's recommended rules, and those that compare each example with its schema. */
const RULES = {
  // Examples of forms leave the file out, which readers choose themselves. A test compares them with the contract.
  'no-invalid-media-type-examples': 'off',
  'no-invalid-schema-examples': 'error',
  'no-invalid-parameter-examples': 'error',
};

const committed = ['auth', 'store', 'compute'].map((name) =>
  path.join(import.meta.dirname, `../docs/api/${name}.json`),
);
const files = process.argv.slice(2);
const config = await createConfig({ extends: ['recommended'], rules: RULES });
for (const file of files.length > 0 ? files : committed) {
  const problems = await lint({ ref: path.resolve(file), config });
  for (const { severity, ruleId, message, location } of problems)
    console.error(`${path.basename(file)}${location[0]?.pointer ?? ''}: ${severity}: ${message} (${ruleId})`);
  if (problems.length > 0) process.exitCode = 1;
}
