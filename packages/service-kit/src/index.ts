/** Everything that a server process needs. A program that must start quickly imports the entries beside this one. */
export * from './broadcaster/index.js';
export * from './database/index.js';
export { FolderIdentity, type FolderIdentityOptions, identityRow } from './folder-identity.js';
export * from './http/index.js';
export * from './program.js';
export { storageFault } from './storage-fault.js';
export * from './tokens/index.js';
