// Compares the auth service with bare Fastify and bare jose: npm run bench -- auth [--check]. Needs the build.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { RemoteKeys, silentLogger, TokenVerifier } from '@cl-server/service-kit';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { forkServer, load, median, ratios } from './lib/measure.mjs';

const { values } = parseArgs({
  options: { check: { type: 'boolean', default: false }, rounds: { type: 'string', default: '3' } },
});
const root = path.join(import.meta.dirname, '..');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cl-bench-'));
const LOGINS = 20;
const TOKENS = 1_000;

const auth = await forkServer(path.join(root, 'services/auth/bin/auth-server.js'), ['--port=0'], {
  CL_SERVER_DIR: folder,
  ADMIN_PASSWORD: 'bench-secret',
  LOG_LEVEL: 'warning',
});

async function post(url, headers, form) {
  const answer = await fetch(auth.url + url, { method: 'POST', headers, body: form && new URLSearchParams(form) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()).access_token;
}
const login = () => post('/auth/token', {}, { username: 'admin', password: 'bench-secret' });
const bearer = (token) => ({ authorization: `Bearer ${token}` });

const WARM_UP = 200;

/**
 * Operations per second of two ways that alternate token by token: the median over all tokens of each. Other load on
 * the machine affects both, and a turn is so short that most are not interrupted at all.
 */
async function byTurns(tokens, ...ways) {
  const times = ways.map(() => []);
  for (const [i, token] of tokens.entries())
    for (const turn of i % 2 === 0 ? [0, 1] : [1, 0]) {
      const start = performance.now();
      await ways[turn](token);
      if (i >= WARM_UP) times[turn].push(performance.now() - start);
    }
  return times.map((list) => 1_000 / median(list));
}

let held = false;
try {
  const token = await login();
  const me = await (await fetch(`${auth.url}/users/me`, { headers: bearer(token) })).json();
  const bare = await forkServer(path.join(import.meta.dirname, 'bare-fastify.mjs'), [JSON.stringify(me)]);
  const keys = await new RemoteKeys({ authUrl: auth.url, logger: silentLogger() }).start();
  await keys.refresh();
  const bareKeys = createRemoteJWKSet(new URL(`${auth.url}/.well-known/jwks.json`));
  const bareVerify = (token) => jwtVerify(token, bareKeys, { algorithms: ['ES256'], issuer: 'cl-server', typ: 'JWT' });
  const fresh = async () => {
    const tokens = [];
    for (let i = 0; i < TOKENS; i++) tokens.push(await post('/auth/token/refresh', bearer(token)));
    return tokens;
  };
  await Promise.all([load(`${auth.url}/users/me`, { headers: bearer(token) }), load(`${bare.url}/`)]); // warm

  held = await ratios(
    [
      {
        name: 'GET /users/me, token seen before | bare Fastify, same request and JSON',
        atLeast: 0.5,
        round: async () => {
          const headers = bearer(token);
          return [await load(`${auth.url}/users/me`, { headers }), await load(`${bare.url}/`, { headers })];
        },
      },
      {
        name: 'first verification | bare jose',
        atLeast: 0.9,
        round: async () => {
          const verifier = new TokenVerifier({ keys });
          return byTurns(await fresh(), (t) => verifier.verify(t), bareVerify);
        },
      },
      {
        name: 'verification, token seen before | bare jose',
        round: async () => {
          const verifier = new TokenVerifier({ keys });
          return byTurns(Array(TOKENS).fill(token), (t) => verifier.verify(t), bareVerify);
        },
      },
      {
        name: `GET / during ${LOGINS} logins | GET / while idle`,
        atLeast: 0.5,
        round: async () => {
          const idle = await load(`${auth.url}/`);
          const logins = Promise.all(Array.from({ length: LOGINS }, login));
          const during = await load(`${auth.url}/`);
          await logins;
          return [during, idle];
        },
      },
    ],
    { rounds: Number(values.rounds) },
  );
  keys.close();
  await bare.stop();
} finally {
  await auth.stop();
  fs.rmSync(folder, { recursive: true, force: true });
}
process.exit(values.check && !held ? 1 : 0);
