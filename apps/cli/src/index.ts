/** The public interface, for programs that embed the command line and for tests. */
export { createProgram } from './command.js';
export { EXIT, type ExitCode } from './exit-codes.js';
export { main } from './main.js';
export { registerAll } from './registry.js';
export type { World } from './world.js';
