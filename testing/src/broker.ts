/** A real Mosquitto for a test: in a private folder, on a free port, stopped with the test. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { freePort, tempDir, which } from './files.js';
import { eventually } from './wait.js';

export interface TestBroker {
  readonly url: string;
  readonly port: number;
  /** Stops the server and starts it again on the same port; everything it kept in memory is lost. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

export async function startMosquitto(): Promise<TestBroker> {
  const program = which('mosquitto');
  if (!program) throw new Error('mosquitto is not installed: check hasMosquitto() first');
  const dir = tempDir('cl-mosquitto-');
  const port = await freePort();
  const config = path.join(dir.path, 'mosquitto.conf');
  fs.writeFileSync(
    config,
    `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\nuser root\n`,
  );
  const run = () => {
    const child = spawn(program, ['-c', config], { stdio: 'ignore' });
    const gone = new Promise<void>((resolve) => child.on('exit', () => resolve()));
    return { child, gone };
  };
  let server = run();
  const up = () => eventually(() => answers(port), { what: 'mosquitto' });
  const down = async (): Promise<void> => {
    server.child.kill('SIGTERM');
    await server.gone;
  };
  await up();
  return {
    url: `mqtt://127.0.0.1:${port}`,
    port,
    restart: async () => {
      await down();
      server = run();
      await up();
    },
    stop: async () => {
      await down();
      dir.remove();
    },
  };
}
