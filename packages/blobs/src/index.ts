/** Everything that is kept as bytes goes through a `BlobStore`. The local disk is the store that exists. */

export type {
  BlobInfo,
  BlobStore,
  ByteRange,
  CopyOptions,
  Draft,
  FolderLimits,
  OpenBlob,
  PutOptions,
  Space,
  Written,
} from './blob-store.js';
export { BlobError, type BlobErrorCode, isNotFound, isUnreadable } from './errors.js';
export { LocalBlobStore, type LocalBlobStoreOptions } from './local/local-blob-store.js';
