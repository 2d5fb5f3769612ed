import type { AnyEndpoint } from '@cl-server/contract';

/** `/jobs/{job_id}/files/{path*}` as the router writes it: `/jobs/:job_id/files/*`. */
export const routerPath = (path: string): string => path.replace(/\{(\w+)\*\}/g, '*').replace(/\{(\w+)\}/g, ':$1');

/** Name of the parameter that takes the rest of the path, if there is one. */
export const restParameter = (path: string): string | undefined => /\{(\w+)\*\}/.exec(path)?.[1];

const pattern = (path: string): RegExp =>
  new RegExp(
    `^${path
      .replace(/[.*+?^$()|[\]\\]/g, (char) => (char === '*' ? '*' : `\\${char}`))
      .replace(/\{\w+\*\}/g, '.*')
      .replace(/\{\w+\}/g, '[^/]+')}/?$`,
  );

const patterns = new WeakMap<AnyEndpoint, readonly RegExp[]>();

/** Methods that some endpoint answers at a path, for 405 and its `Allow`. */
export function methodsAt(endpoints: readonly AnyEndpoint[], path: string): string[] {
  const methods = new Set<string>();
  for (const endpoint of endpoints) {
    let known = patterns.get(endpoint);
    if (!known) {
      known = [endpoint.path, ...(endpoint.aliases ?? [])].map(pattern);
      patterns.set(endpoint, known);
    }
    if (!known.some((regexp) => regexp.test(path))) continue;
    methods.add(endpoint.method);
    if (endpoint.method === 'GET') methods.add('HEAD');
  }
  return [...methods].sort();
}
