/** Values that a caller may pass as a file, and their form for the upload. */
import { fileFromPath } from '#platform';
import { ConfigError, FileError } from '../errors.js';
import type { FileBody } from './file-body.js';
import { mediaTypeOf } from './media-type.js';

/**
 * A path (Node only), an address, a Blob or File, bytes, or a stream. A path is a string or a `file:` URL; an
 * `http(s):` URL is fetched and passed on.
 */
export type FileData = string | URL | Blob | Uint8Array | ArrayBuffer | AsyncIterable<Uint8Array> | ReadableStream;

/** File data with what the data itself does not say. */
export interface NamedFile {
  readonly data: FileData;
  readonly name?: string;
  /** Media type; the server decides by content and takes this as a hint only. */
  readonly type?: string;
  /** Bytes, where a stream's length is known: progress then has a total. */
  readonly size?: number;
}

/** The input of every upload: data, or data with its name. */
export type FileInput = FileData | NamedFile;

const isNamed = (input: FileInput): input is NamedFile =>
  typeof input === 'object' && input !== null && 'data' in input && !(input instanceof Blob) && !(input instanceof URL);

const isWeb = (text: string): boolean => /^https?:\/\//i.test(text);

async function* readAll(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      yield value;
    }
  } finally {
    if (!ended) await reader.cancel().catch(() => undefined);
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>, type: string): Promise<Blob> {
  const parts: BlobPart[] = [];
  for await (const chunk of chunks) parts.push(chunk as Uint8Array<ArrayBuffer>);
  return new Blob(parts, { type });
}

function fromBlob(blob: Blob, name: string, type: string): FileBody {
  return {
    name,
    type,
    size: blob.size,
    repeatable: true,
    open: () => readAll(blob.stream() as ReadableStream<Uint8Array>),
    read: async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer()),
    blob: async () => (blob.type === type ? blob : blob.slice(0, blob.size, type)),
  };
}

function fromStream(chunks: AsyncIterable<Uint8Array>, name: string, type: string, size?: number): FileBody {
  let used = false;
  const open = (): AsyncIterable<Uint8Array> => {
    if (used) throw new FileError(`The stream ${name} can be read only once; hand over a path or a Blob to repeat`);
    used = true;
    return chunks;
  };
  return { name, type, size, repeatable: false, open, blob: () => collect(open(), type) };
}

function fromWeb(url: string, name: string, type: string): FileBody {
  async function* open(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const response = await fetch(url, { signal: signal ?? null }).catch((cause: unknown) => {
      throw new FileError(`${url} cannot be fetched`, { cause });
    });
    if (!response.ok || !response.body) throw new FileError(`${url} answered ${response.status}`);
    yield* readAll(response.body as ReadableStream<Uint8Array>);
  }
  return { name, type, size: undefined, repeatable: true, open, blob: (signal) => collect(open(signal), type) };
}

/**
 * Makes a file ready to be sent; nothing is read yet.
 * @throws FileError for what is no file, and for a path that does not lead to one that can be read
 */
export async function toFileBody(input: FileInput): Promise<FileBody> {
  const { data, name, type, size }: NamedFile = isNamed(input) ? input : { data: input };
  const typed = (own: string): string => type ?? mediaTypeOf(name ?? own);
  if (typeof data === 'string' ? isWeb(data) : data instanceof URL && data.protocol !== 'file:') {
    const url = String(data);
    if (!isWeb(url)) throw new ConfigError(`Files cannot be fetched by ${url.split(':', 1)[0]}:`);
    const last = decodeURIComponent(new URL(url).pathname.split('/').pop() || 'file');
    return fromWeb(url, name ?? last, typed(last));
  }
  if (typeof data === 'string' || data instanceof URL) return fileFromPath(data, { name, type });
  if (data instanceof Blob) {
    const own = name ?? (data as Partial<File>).name ?? 'file';
    return fromBlob(data, own, type ?? (data.type || mediaTypeOf(own)));
  }
  if (data instanceof Uint8Array || data instanceof ArrayBuffer)
    return fromBlob(new Blob([data as Uint8Array<ArrayBuffer>]), name ?? 'file', typed('file'));
  // A caller without TypeScript gets the error here, not during the upload.
  if (typeof data !== 'object' || data === null || !(Symbol.asyncIterator in data || 'getReader' in data))
    throw new FileError(`A file is a path, an address, a Blob, bytes or a stream, not ${typeof data}`);
  const chunks = Symbol.asyncIterator in data ? data : readAll(data as ReadableStream<Uint8Array>);
  return fromStream(chunks as AsyncIterable<Uint8Array>, name ?? 'file', typed('file'), size);
}
