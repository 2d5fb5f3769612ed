import { runProgram } from '@cl-server/service-kit';
import { PROGRAM, startProgram } from '../program.js';

await runProgram({
  name: PROGRAM,
  start: () => startProgram({ argv: process.argv.slice(2), env: process.env }),
});
