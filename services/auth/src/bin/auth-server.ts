import process from 'node:process';
import { runProgram } from '@cl-server/service-kit';
import { authServer } from '../program.js';

await runProgram({
  name: 'auth-server',
  start: () =>
    authServer({
      argv: process.argv.slice(2),
      env: process.env,
      supervised: process.send !== undefined,
      print: (text) => process.stdout.write(`${text}\n`),
    }),
});
