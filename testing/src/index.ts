/** Helpers that the tests of all rooms share. */

// Folders, files, programs and ports.

export {
  folderWith,
  freePort,
  hasChromium,
  hasFfmpeg,
  hasMedia,
  hasModels,
  hasMosquitto,
  makeVideo,
  mediaFile,
  modelFile,
  projectRoot,
  type TempDir,
  tempDir,
  which,
} from './files.js';

// Real servers, and a network that can fail.

export { startMosquitto, type TestBroker } from './broker.js';
export { type Backend, backends, hasPostgres, postgresDatabase, startPostgres, type TestDatabase } from './postgres.js';
export { type TcpLink, tcpLink } from './tcp-link.js';

// Models that stand in for the real ones.

export { installStandIns, makeStandIn, SMALL_FACE_MODEL, STAND_IN_ROLES } from './stand-in-models.js';

// Waiting for states, measuring attacks, damaging files.

export { mutate } from './mutate.js';
export { descriptorsOf, filesIn, memoryOf, observe, waitedOf } from './observe.js';
export { eventually } from './wait.js';
