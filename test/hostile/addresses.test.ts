/** One address of the network takes only its share of connections, whatever it does; another one is served meanwhile. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { projectRoot, tempDir } from '@cl-server/testing';
import { expect, it } from 'vitest';

const NETWORK = ['ip link set lo up', ...[1, 2, 3].map((host) => `ip address add 10.9.0.${host}/24 dev lo`)].join(
  ' && ',
);
const inNetwork = (command: string): readonly string[] => [
  '--user',
  '--map-root-user',
  '--net',
  'sh',
  '-c',
  `${NETWORK} && exec ${command}`,
];
/** Some systems and containers do not allow unprivileged namespaces, or have no `unshare` or `ip`. */
const hasNamespaces = process.platform === 'linux' && spawnSync('unshare', inNetwork('true')).status === 0;

interface Service {
  readonly openIdle: number;
  readonly openBusy: number;
  readonly answers: readonly { readonly status: number; readonly took: number }[];
  readonly endedAlone: boolean;
  readonly isClean: boolean;
}
interface Seen {
  readonly auth: Service;
  readonly store: Service;
  readonly broker: {
    readonly granted: number;
    readonly whileCrowded: number;
    readonly whileFlooded: number;
    readonly isClean: boolean;
  };
}

it.skipIf(!hasNamespaces)(
  'four hundred idle and slow connections of one address, and its floods at the broker (needs network namespaces)',
  async () => {
    const dir = tempDir('cl-addresses-');
    const program = path.join(import.meta.dirname, 'support/two-addresses.ts');
    // Node takes the types away itself; the flag is for versions that do not do so by default.
    const node = [process.execPath, '--experimental-strip-types', '--no-warnings', program, projectRoot, dir.path];
    const child = spawn('unshare', inNetwork(node.map((word) => `'${word}'`).join(' ')), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      detached: true,
    });
    try {
      const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the program ended with ${code}`)));
      const [seen] = (await Promise.race([once(child, 'message'), ended])) as [Seen];
      if (process.env.CL_TEST_LOG) process.stdout.write(`${JSON.stringify(seen)}\n`);
      for (const service of [seen.auth, seen.store]) {
        expect(service.openIdle).toBeLessThanOrEqual(256);
        expect(service.openBusy).toBeLessThanOrEqual(256);
        expect(service.answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
        for (const { took } of service.answers) expect(took).toBeLessThan(5_000);
        expect([service.endedAlone, service.isClean]).toEqual([true, true]);
      }
      // An address has 64 places at the broker.
      expect(seen.broker.granted).toBeLessThanOrEqual(64);
      expect(seen.broker.whileCrowded).toBeLessThan(5_000);
      expect(seen.broker.whileFlooded).toBeLessThan(5_000);
      expect(seen.broker.isClean).toBe(true);
    } finally {
      if (child.exitCode === null && child.signalCode === null) {
        process.kill(-Number(child.pid), 'SIGKILL'); // with the servers that it started
        await once(child, 'exit').catch(() => undefined);
      }
      dir.remove();
    }
  },
  180_000,
);
