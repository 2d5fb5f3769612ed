import { runProgram } from '@cl-server/service-kit/program';
import { brokerProgram } from '../broker/program.js';

await runProgram({
  name: 'cl-broker',
  start: () => brokerProgram(process.argv.slice(2), process.env),
  drainDeadline: 5_000,
});
