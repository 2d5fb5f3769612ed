/** `/jobs/{job_id}/files/{path*}` as the router writes it: `/jobs/:job_id/files/*`. */
export const routerPath = (path: string): string => path.replace(/\{(\w+)\*\}/g, '*').replace(/\{(\w+)\}/g, ':$1');

/** Name of the parameter that takes the rest of the path, if there is one. */
export const restParameter = (path: string): string | undefined => /\{(\w+)\*\}/.exec(path)?.[1];

const pattern = (url: string): RegExp =>
  new RegExp(
    `^${url
      .replace(/[.+?^$()|[\]\\{}]/g, (char) => `\\${char}`)
      .replace(/\*/g, '.*')
      .replace(/:\w+/g, '[^/]+')}/?$`,
  );

/** Which methods are answered at which paths, for `Allow`. */
export class RouteMethods {
  readonly #routes = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();

  /** @param url as the router writes it */
  add(url: string, methods: string | readonly string[]): void {
    // A route that answers every path says nothing about this one.
    if (url === '*') return;
    const route = this.#routes.get(url) ?? { pattern: pattern(url), methods: new Set() };
    this.#routes.set(url, route);
    for (const method of [methods].flat()) route.methods.add(method);
  }

  /** @returns none for a path that is not known */
  at(path: string): string[] {
    const found = new Set<string>();
    for (const { pattern, methods } of this.#routes.values())
      if (pattern.test(path)) for (const method of methods) found.add(method);
    return found.size === 0 ? [] : [...found.add('OPTIONS')].sort();
  }
}
