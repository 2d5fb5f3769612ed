/** The files of the platform's programs, found through their packages. The launcher starts services but never imports them. */
import { createRequire } from 'node:module';
import path from 'node:path';

export const PACKAGE_OF = {
  'auth-server': '@cl-server/auth',
  store: '@cl-server/store',
  'm-insight-worker': '@cl-server/store',
  'compute-server': '@cl-server/compute',
  'compute-migrate': '@cl-server/compute',
  'compute-worker': '@cl-server/worker',
  'cl-broker': '@cl-server/server',
} as const;
export type ProgramName = keyof typeof PACKAGE_OF;

/** The path of `bin/<name>.js` of a program. */
export function programFile(name: ProgramName): string {
  const manifest = createRequire(import.meta.url).resolve(`${PACKAGE_OF[name]}/package.json`);
  return path.join(path.dirname(manifest), 'bin', `${name}.js`);
}
