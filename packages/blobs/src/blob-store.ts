/**
 * A place that keeps bytes under keys: segments joined by `/`, for example `0cc175b9c0f1b6a8/cat.jpg`. A blob is written as a
 * whole and never changed; putting it again replaces it. Keys whose first segment begins with a dot hold what is not an
 * original (`.derived/…`).
 *
 * Every method throws a `BlobError`: `outside` for a key that is absolute, climbs or has an empty segment, `away` if the
 * store cannot be reached, and the codes that are named below.
 */
import type { Readable } from 'node:stream';

export interface BlobInfo {
  readonly size: number;
  /** Milliseconds. */
  readonly modified: number;
  /** Milliseconds. Not earlier than the moment at which the blob got its key. */
  readonly placed: number;
}

export interface ByteRange {
  readonly start: number;
  /** Inclusive. */
  readonly end: number;
}

/** A blob that is open for reading. It stays the same even if the key is put again or deleted meanwhile. */
export interface OpenBlob extends BlobInfo, AsyncDisposable {
  /** Streams the blob or a part of it. To be called once: the end of the stream closes the blob. */
  stream(range?: ByteRange): Readable;
  /** Not needed after `stream`. */
  close(): Promise<void>;
}

/** A file that does not exist yet, for a tool to write. What is left of it at its disposal is removed. */
export interface Draft extends AsyncDisposable {
  readonly path: string;
}

export interface PutOptions {
  /**
   * Whether the blob must survive a power cut from the moment when `put` returns. Default: true; false for what can be made
   * again.
   */
  readonly isDurable?: boolean;
}

export interface CopyOptions extends PutOptions {
  /** Both blobs must not be changed by a tool that gets the path of one of them from `localFile`. Default: false. */
  readonly isReadOnly?: boolean;
}

/** Limits of a folder that `putFolder` takes. */
export interface FolderLimits {
  /** Files and folders. */
  readonly maxFiles: number;
  readonly maxBytes: number;
}

export interface Written {
  readonly size: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

export interface Space {
  readonly total: number;
  readonly free: number;
}

export interface BlobStore {
  /**
   * A folder of this machine in which a server receives files that `putFile` then keeps, without moving bytes if the store can
   * do that. It is made with the first file. `sweep` removes what processes that died left there.
   */
  readonly incoming: string;

  /**
   * Keeps what a stream of any length brings. The blob can be seen when it is complete, not before. Memory use does not
   * depend on the length.
   * @throws BlobError `full`; the error of the stream
   */
  put(key: string, source: Readable | Uint8Array, options?: PutOptions): Promise<Written>;

  /**
   * Keeps a finished file of this machine. The store takes the file: it is gone from its place afterwards.
   * @throws BlobError `full`
   */
  putFile(key: string, file: string, options?: PutOptions): Promise<void>;

  /**
   * Keeps all files of a finished folder of this machine below a prefix, durable when it returns. The store takes the folder.
   * @param prefix ends with `/`; what is below it is replaced
   * @returns the bytes of the files
   * @throws BlobError `not_found`, `full`; `refused` if there are links or special files in the folder, or too many or too
   *   large files
   */
  putFolder(prefix: string, folder: string, limits: FolderLimits): Promise<number>;

  /** For a tool that writes a file on this machine, which `putFile` then keeps. */
  draft(): Promise<Draft>;

  /** @throws BlobError `not_found` */
  open(key: string): Promise<OpenBlob>;

  /**
   * The whole blob.
   * @throws BlobError `not_found`; Error if it has more than `maxBytes`
   */
  read(key: string, maxBytes: number): Promise<Buffer>;

  /** Undefined if there is no such blob. */
  head(key: string): Promise<BlobInfo | undefined>;

  /**
   * Path of a file with the blob's bytes, for tools that read files (ffmpeg, ExifTool, image libraries). The file must not be
   * changed. A remote store fetches it into a cache.
   * @throws BlobError `not_found`
   */
  localFile(key: string): Promise<string>;

  /** Keys that begin with the prefix, in no order. Keys that begin with a dot are left out unless the prefix does. */
  list(prefix: string): AsyncIterable<string>;

  /**
   * Names of the next segments of all keys below the prefix that have more than one.
   * @param prefix empty, or ends with `/`
   */
  folders(prefix: string): AsyncIterable<string>;

  /** Deletes a blob. One that does not exist is no error. */
  delete(key: string): Promise<void>;

  /**
   * Deletes all blobs below the prefix.
   * @param prefix ends with `/`
   * @returns whether there were any
   */
  deleteBelow(prefix: string): Promise<boolean>;

  /**
   * The bytes of all blobs below the prefix. Bytes that several keys share are counted once.
   * @param prefix empty, or ends with `/`
   * @param which `unshared`: only those that deleting the blobs frees
   */
  sizeBelow(prefix: string, which?: 'all' | 'unshared'): Promise<number>;

  /**
   * Gives the blob a second key, without moving bytes where the store can do that. Replaces what is there.
   * @throws BlobError `not_found`, `full`
   */
  copy(from: string, to: string, options?: CopyOptions): Promise<void>;

  /** @throws BlobError `not_found`, `full` */
  move(from: string, to: string, options?: PutOptions): Promise<void>;

  /** Removes drafts of processes that died: those that nobody has written to since the moment. @returns how many */
  sweep(untouchedSince: number): Promise<number>;

  /** The space that is left in the store; undefined if the store knows of no limit. */
  space(): Promise<Space | undefined>;
}
