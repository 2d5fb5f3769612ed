import { runProgram } from '@cl-server/service-kit';
import { migrateJobs } from '../migrate.js';

await runProgram({
  name: 'compute-migrate',
  start: () => migrateJobs({ argv: process.argv.slice(2), env: process.env }),
});
