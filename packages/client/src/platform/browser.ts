/** The parts that differ in a browser: no paths, forms by FormData, and upload progress only by XMLHttpRequest. */

import { FileError } from '../errors.js';
import type { FileBody } from '../files/file-body.js';
import type { FileSink } from '../files/sink.js';
import type { Multipart, OnProgress } from '../http/body.js';

export async function fileFromPath(where: string | URL): Promise<FileBody> {
  throw new FileError(`A browser cannot read the path ${String(where)}: hand over a File or a Blob`);
}

export function fileSink(dest: string): FileSink {
  throw new FileError(`A browser cannot write to the path ${dest}: ask for bytes or a stream`);
}

const parseHeaders = (text: string): Headers => {
  const headers = new Headers();
  for (const line of text.trim().split(/[\r\n]+/)) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.append(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return headers;
};

/** Statuses whose Response must have no body. */
const EMPTY = new Set([204, 205, 304]);

export async function postMultipart(
  _fetch: typeof globalThis.fetch,
  url: string,
  init: RequestInit,
  form: Multipart,
  onProgress: OnProgress,
): Promise<Response> {
  const data = new FormData();
  for (const [name, value] of form.fields) data.append(name, value);
  data.append(form.fileField, await form.file.blob(init.signal ?? undefined), form.file.name);
  return new Promise<Response>((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = (): void => request.abort();
    const stopListening = (): void => init.signal?.removeEventListener('abort', abort);
    request.open(init.method ?? 'POST', url);
    request.responseType = 'blob';
    for (const [name, value] of Object.entries(init.headers as Record<string, string>))
      request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total, lengthComputable }) =>
      onProgress({ loaded, total: lengthComputable ? total : undefined });
    request.onload = () => {
      stopListening();
      const { status, statusText } = request;
      const body = EMPTY.has(status) ? null : (request.response as Blob);
      resolve(new Response(body, { status, statusText, headers: parseHeaders(request.getAllResponseHeaders()) }));
    };
    request.onerror = () => {
      stopListening();
      reject(new TypeError('the connection broke, or the server does not allow this page (CORS)'));
    };
    request.onabort = () => {
      stopListening();
      reject(init.signal?.reason);
    };
    if (init.signal?.aborted) return reject(init.signal.reason);
    init.signal?.addEventListener('abort', abort, { once: true });
    request.send(data);
  });
}

/** A page may not choose its own. */
export const userAgent = (_version: string): Readonly<Record<string, string>> => ({});

/** The addresses that MQTT can be spoken at from here. */
export const mqttSchemes: readonly string[] = ['ws:', 'wss:'];
