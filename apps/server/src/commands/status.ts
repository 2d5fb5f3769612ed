import net from 'node:net';
import { type Readiness, readiness } from '@cl-server/contract';
import { messageOf } from '@cl-server/kit';
import { StartupError } from '@cl-server/service-kit/program';
import { platformUrls } from '../platform/plan.js';
import { faultOf, readRunState } from '../platform/read-run-state.js';
import type { CommandInput } from './command.js';
import { table } from './table.js';

interface Row {
  readonly name: string;
  readonly url: string;
  readonly healthy: boolean;
  readonly text: string;
}

const explain = ({ checks }: Readiness): string =>
  Object.entries(checks)
    .map(([name, { ok, message }]) => (ok ? name : `${name}: ${message ?? 'not ready'}`))
    .join(', ');

async function askService(name: string, url: string): Promise<Row> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) });
    const body = readiness.parse(await response.json());
    return { name, url, healthy: response.ok, text: `${response.ok ? 'ready' : 'not ready'} (${explain(body)})` };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { name, url, healthy: false, text: `no answer (${messageOf(cause)})` };
  }
}

const askBroker = (name: string, url: string): Promise<Row> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = net.connect({ host: hostname, port: Number(port || 1883), timeout: 5_000 });
    const answer = (healthy: boolean, text: string) => () => {
      socket.destroy();
      resolve({ name, url, healthy, text });
    };
    socket.on('connect', answer(true, 'answers'));
    socket.on('error', answer(false, 'no answer'));
    socket.on('timeout', answer(false, 'no answer'));
  });

/** Maps a name in the table to the name of its process. */
const PROCESS_OF: Readonly<Record<string, string>> = { mqtt: 'broker' };

/**
 * Adds what the launcher knows about its processes: the crashes of those that answer, and the processes without an address.
 */
function withProcesses(rows: readonly Row[], dataDir: string): Row[] {
  const children = readRunState(dataDir)?.children ?? [];
  const asked = new Set(rows.map(({ name }) => PROCESS_OF[name] ?? name));
  const faults = new Map(children.map((child) => [child.name, faultOf(child)]));
  return [
    ...rows.map((row) => {
      const fault = faults.get(PROCESS_OF[row.name] ?? row.name);
      return fault === undefined ? row : { ...row, healthy: false, text: `${row.text}; ${fault}` };
    }),
    ...children
      .filter(({ name }) => !asked.has(name))
      .map(({ name, state }) => {
        const fault = faults.get(name);
        return { name, url: '', healthy: fault === undefined, text: fault ?? state };
      }),
  ];
}

/** Asks every part of the platform that the settings describe. The exit code is 1 if one of them is not ready. */
export async function status({ settings, dataDir, print }: CommandInput): Promise<undefined> {
  const running = readRunState(dataDir);
  if (!running)
    print(`No CL Server was started on the data folder ${dataDir}. Asking at the addresses of the settings.\n`);
  const { auth, store, compute, mqtt } = running?.urls ?? platformUrls(settings);
  const answers = await Promise.all([
    askService('auth', auth),
    askService('store', store),
    askService('compute', compute),
    ...(mqtt === null ? [] : [askBroker('mqtt', mqtt)]),
  ]);
  const rows = withProcesses(answers, dataDir);
  print(
    table(
      ['part', 'address', 'state'],
      rows.map(({ name, url, text }) => [name, url, text]),
    ),
  );
  const notReady = rows.filter(({ healthy }) => !healthy);
  if (notReady.length > 0) throw new StartupError(`not ready: ${notReady.map(({ name }) => name).join(', ')}`);
  return undefined;
}
