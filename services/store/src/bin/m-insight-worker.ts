import { runProgram } from '@cl-server/service-kit';
import { startInsightWorker } from '../insight/program.js';

process.title = 'm-insight-worker';
await runProgram({
  name: 'm-insight-worker',
  start: () => startInsightWorker({ argv: process.argv.slice(2), env: process.env }),
});
