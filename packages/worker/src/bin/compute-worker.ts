import { runProgram } from '@cl-server/runtime';
import { PROGRAM, startProgram } from '../program.js';

await runProgram({
  name: PROGRAM,
  start: () => startProgram({ argv: process.argv.slice(2), env: process.env }),
});
