import { runProgram } from '@cl-server/service-kit';
import { startStore } from '../program.js';

process.title = 'store';
await runProgram({ name: 'store', start: () => startStore({ argv: process.argv.slice(2), env: process.env }) });
