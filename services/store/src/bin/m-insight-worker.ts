import { runProgram } from '@cl-server/service-kit';
import { startStoreInsightWorker } from '../insight/program.js';

process.title = 'm-insight-worker';
await runProgram({
  name: 'm-insight-worker',
  start: () => startStoreInsightWorker({ argv: process.argv.slice(2), env: process.env }),
});
