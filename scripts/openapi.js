// Writes docs/api/{auth,store,compute}.json from the endpoint tables; with --check, fails if they differ. Needs a build.
import fs from 'node:fs';
import path from 'node:path';
import * as contract from '../packages/contract/dist/index.js';

const { openApiDocument, systemEndpoints } = contract;
const folder = path.join(import.meta.dirname, '../docs/api');
const tables = {
  auth: [contract.AUTH_API, contract.authEndpoints],
  store: [contract.STORE_API, contract.storeEndpoints],
  compute: [contract.COMPUTE_API, contract.computeEndpoints],
};
const check = process.argv.includes('--check');
const stale = [];

fs.mkdirSync(folder, { recursive: true });
for (const [service, [info, endpoints]] of Object.entries(tables)) {
  const file = path.join(folder, `${service}.json`);
  const text = `${JSON.stringify(openApiDocument(info, [...endpoints, ...systemEndpoints]), null, 2)}\n`;
  if (fs.existsSync(file) && fs.readFileSync(file, 'utf8') === text) continue;
  if (check) stale.push(path.relative(process.cwd(), file));
  else fs.writeFileSync(file, text);
}
if (stale.length > 0) {
  console.error(`out of date: ${stale.join(', ')}; run "node scripts/openapi.js"`);
  process.exit(1);
}
