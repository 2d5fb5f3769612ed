/**
 * One GET of a small JSON document from another service of the platform. Node's own `fetch` would load a whole HTTP client
 * of 0.05 s and 8 MB into each process, while `node:http` is loaded anyway.
 */
import http from 'node:http';
import https from 'node:https';

export interface GetOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface GetResponse {
  readonly ok: boolean;
  readonly status: number;
  json(): Promise<unknown>;
  text(): Promise<string>;
}

/** The function that asks: `get` of this module, or `fetch`. */
export type Get = (url: string, options: GetOptions) => Promise<GetResponse>;

/** Bytes of an answer. No answer of our services is larger. */
const MAX_BYTES = 4_000_000;

/** Rejects if no answer comes, if it is too large, and if the signal aborts. Redirects are not followed. */
export const get: Get = (url, { headers = {}, signal }) =>
  new Promise((resolve, reject) => {
    const { get: ask } = url.startsWith('https:') ? https : http;
    const request = ask(url, { headers: { ...headers }, signal }, (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on('data', (part: Buffer) => {
        size += part.length;
        if (size <= MAX_BYTES) parts.push(part);
        else request.destroy(new Error(`the answer of ${new URL(url).host} has more than ${MAX_BYTES} bytes`));
      });
      response.on('error', reject);
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        const text = Buffer.concat(parts).toString('utf8');
        resolve({
          ok: status >= 200 && status < 300,
          status,
          json: async () => JSON.parse(text) as unknown,
          text: async () => text,
        });
      });
    });
    request.on('error', reject);
  });
