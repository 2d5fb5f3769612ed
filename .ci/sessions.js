// Runs the session of session.js on each pinned Node except the recommended one, on which the tests run.
// node sessions.js <file for the counts>
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeEnvironment, nodeHome, pinnedVersions } from '../scripts/node/home.js';

const script = fileURLToPath(new URL('./session.js', import.meta.url));
const total = { passed: 0, failed: 0 };

async function sessionOn(version) {
  const home = await nodeHome(version, `a session is held on Node ${version}`);
  const child = spawn(path.join(home, 'bin/node'), [script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: nodeEnvironment(home),
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
    process.stdout.write(text);
  });
  await once(child, 'close');
  return JSON.parse(output.trim().split('\n').at(-1));
}

for (const version of pinnedVersions().others) {
  try {
    const { passed, failed } = await sessionOn(version);
    total.passed += passed;
    total.failed += failed;
  } catch (error) {
    total.failed++;
    console.log(`no session on Node ${version}: ${error.message}`);
  }
}
fs.writeFileSync(process.argv[2], JSON.stringify(total));
