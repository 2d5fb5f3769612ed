import { createRequire } from 'node:module';
import path from 'node:path';

/** Where a model's file lies if it comes with this package, wherever this code was bundled to. */
export const bundledFile = (name: string): string =>
  path.join(path.dirname(createRequire(import.meta.url).resolve('@cl-server/models/package.json')), 'bundled', name);
