/** A reverse proxy that serves several servers under one address, each below a path of its own. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface BasePathProxy {
  /** The address below which `name` is served. */
  url(name: string): string;
  close(): Promise<void>;
}

export async function basePathProxy(targets: Readonly<Record<string, string>>): Promise<BasePathProxy> {
  const server = http.createServer((request, response) => {
    const [, name = '', rest = ''] = /^\/([^/]+)(\/.*)$/.exec(request.url ?? '') ?? [];
    const target = targets[name];
    if (target === undefined) return void response.writeHead(404).end();
    const { method, headers } = request;
    const onward = http.request(`${target}${rest}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: (name) => `http://127.0.0.1:${port}/${name}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
