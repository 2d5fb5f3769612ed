/** Looks for things that a task must not reach; its output lists what it got. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

const attempt = async (work) => {
  try {
    return Boolean(await work());
  } catch {
    return false;
  }
};

const connects = (port) =>
  new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', reject);
  });

export default ({ defineTask, field, z }) =>
  defineTask({
    type: 'spy',
    version: '1',
    summary: 'Looks around',
    file: 'none',
    params: z.object({ folder: field.text(), port: field.int() }),
    output: z.object({ got: z.array(z.string()), wrote: z.boolean() }),
    load: async () => ({
      run: async ({ params: { folder, port }, files }) => {
        const key = path.join(folder, 'private_key.pem');
        const outside = `/proc/${process.ppid}/root`;
        const attempts = {
          key: () => fs.readFileSync(key, 'utf8'),
          'key by a program': () => execFileSync('cat', [key]),
          'key after uncovering it': () => execFileSync('sh', ['-c', `umount '${folder}'; cat '${key}'`]),
          'key in a further namespace': () =>
            execFileSync('unshare', ['-Urm', 'sh', '-c', `umount '${folder}'; cat '${key}'`]),
          'key through the worker': () => fs.readFileSync(outside + key, 'utf8'),
          'environment of the worker': () => fs.readFileSync(`/proc/${process.ppid}/environ`, 'utf8'),
          database: () => fs.readFileSync(path.join(folder, 'store.db')),
          network: () => connects(port),
        };
        const got = [];
        for (const [name, work] of Object.entries(attempts)) if (await attempt(work)) got.push(name);
        await files.write('output/spy.txt', 'x');
        return { got, wrote: true };
      },
    }),
  });
