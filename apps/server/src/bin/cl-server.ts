import { runProgram } from '@cl-server/service-kit/program';
import { main } from '../main.js';

await runProgram({
  name: 'cl-server',
  start: (interrupted) => main(process.argv.slice(2), process.env, interrupted),
  canBreakOff: true,
});
