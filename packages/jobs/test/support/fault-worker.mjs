// A worker process for the fault tests: `node fault-worker.mjs <url> <storage> <leaseMs> <mode>`.
//   hold: claims one job, says its token, and completes it only when told over standard input.
//   drain: does all jobs it can get, each with a file, until nothing is left and it receives the message to end.
import fs from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { openJobs } from '@cl-server/jobs';
import { noBroadcaster, openDatabase, silentLogger } from '@cl-server/service-kit';

const [url, storageDir, leaseMs, mode] = process.argv.slice(2);
const database = openDatabase(url, { schema: 'jobs', synchronous: 'normal' });
const { repository, storage } = openJobs({
  database,
  storageDir,
  broadcaster: noBroadcaster,
  logger: silentLogger(),
  leaseMs: Number(leaseMs),
  upkeepMs: 50,
});
const say = (word) => process.stdout.write(`${word}\n`);
const workerId = `w${process.pid}`;

async function commit({ job, token, attempt }) {
  const folder = await fs.mkdtemp(`${storageDir}.results-`);
  await fs.mkdir(path.join(folder, 'output'));
  await fs.writeFile(path.join(folder, 'output/who.txt'), token);
  await storage.deliver(job.job_id, attempt, folder);
  const [accepted] = await repository.complete([{ job_id: job.job_id, token, output: { token } }]);
  return accepted;
}

if (mode === 'hold') {
  const [claim] = await repository.claim({ workerId, types: { noop: 1 }, limit: 1 });
  say(`claimed ${claim.token}`);
  for await (const _line of createInterface({ input: process.stdin })) {
    say((await commit(claim)) ? 'accepted' : 'refused');
    break;
  }
  await database.close();
  process.exit(0);
}

process.stdin.on('end', () => process.exit(0)).resume();
say('ready');
for (;;) {
  const claims = await repository.claim({ workerId, types: { noop: 5 }, limit: 5 });
  for (const claim of claims) await commit(claim);
  if (claims.length === 0) await pause(20);
}
