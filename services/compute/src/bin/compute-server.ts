import { runProgram } from '@cl-server/service-kit';
import { startCompute } from '../program.js';

process.title = 'compute-server';
await runProgram({
  name: 'compute-server',
  start: () => startCompute({ argv: process.argv.slice(2), env: process.env }),
});
