/** The life of a process, and the folders and secrets of the platform. */
export { sameSecret, serviceCredential } from './credential.js';
export { openDataDir } from './data-dir.js';
export { warnIfExposed } from './exposure.js';
export { type Folders, foldersOf } from './folders.js';
export { hardenProcess } from './harden.js';
export { isLoopback } from './loopback.js';
export { type DrainMessage, type PingMessage, type ReadyMessage, type RunningProgram, runProgram } from './program.js';
