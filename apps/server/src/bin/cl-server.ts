import { runProgram } from '@cl-server/runtime/program';
import { main } from '../main.js';

await runProgram({ name: 'cl-server', start: () => main(process.argv.slice(2), process.env) });
