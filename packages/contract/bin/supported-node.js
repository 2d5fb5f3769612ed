// Every program imports this module first, before anything that an older Node cannot run: importing SQLite, for one,
// would end the process without a message. Its syntax and imports are limited to what old versions understand, because
// it tells their users which version is needed.
import fs from 'node:fs';

/** Node 22.14 is the first with version 10 of Node-API, for which native packages are built. */
const NEEDED = '22.14';
const isSupported = () => Number(process.versions.napi) >= 10;

/**
 * Finds the module that continues on a fetched Node. It exists only in a copy of the project's repository and needs
 * Node 18.
 */
function findHop() {
  const hop = new URL('../../../scripts/node/hop.js', import.meta.url);
  return Number(process.versions.node.split('.')[0]) >= 18 && fs.existsSync(hop) ? hop.href : undefined;
}

/**
 * Ends this process together with the older Node that started it in its place: that process holds the other end of this
 * pipe.
 */
async function followParent() {
  const descriptor = Number(process.env.CL_SERVER_LIFELINE);
  delete process.env.CL_SERVER_LIFELINE;
  if (!descriptor) return;
  const { Socket } = await import('node:net');
  new Socket({ fd: descriptor, readable: true, writable: false })
    .on('error', () => {})
    .on('close', () => process.kill(process.pid, 'SIGTERM'))
    .resume()
    .unref();
}

/**
 * Runs a program if this Node is new enough. An older Node inside a copy of the repository continues the program on a
 * fetched Node; elsewhere it prints which Node is needed.
 * @param {() => unknown} program
 */
export async function onSupportedNode(program) {
  if (isSupported()) {
    followParent();
    await program();
    return;
  }
  const found = findHop();
  if (found) {
    const { hop } = await import(found);
    await hop();
    return;
  }
  process.stderr.write(
    `cl-server: this is Node ${process.versions.node}, and ${NEEDED} or newer is needed: install Node 24\n`,
  );
  process.exitCode = 1;
}
