/** Small primitives that every room uses. Nothing here depends on a package, nor knows who uses it. */

export { Batcher, type BatcherOptions } from './batcher.js';
export { type CursorCodec, cursorCodec } from './cursor.js';
export { type DigestAlgorithm, DigestStream, digestFile } from './digest.js';
export { alreadyExists, errorCode, isMissing, messageOf } from './errors.js';
export { type LockOptions, takeLock, withLock } from './file-lock.js';
export { createFile, createFileSync, exists, isWithin, readIfExists, replaceFile, sync } from './files.js';
export { findProgram } from './find-program.js';
export { inGroups } from './in-groups.js';
export { KeyedLock } from './keyed-lock.js';
export { isProcessAlive } from './process-alive.js';
export { Semaphore, type SemaphoreOptions } from './semaphore.js';
export { topicMatches } from './topics.js';
export { WakeSignal } from './wake-signal.js';
