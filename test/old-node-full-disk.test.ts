/** A disk that is full while Node is unpacked: the reason is named, and no file counts as written that is cut off. */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { projectRoot, type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';

const MEGABYTE = 1_048_576;
const OWN_DISK = ['--user', '--map-root-user', '--mount', 'sh', '-c'];
const canMount =
  process.platform === 'linux' && spawnSync('unshare', [...OWN_DISK, 'mount -t tmpfs tmpfs /mnt']).status === 0;

let dir: TempDir;
beforeEach(() => {
  dir = tempDir('cl-full-disk-');
});
afterEach(() => dir.remove());

/** Unpacks a package with one file of this size on a disk of 1 MB. @returns the code of its error, or `unpacked` */
function unpackOnSmallDisk(size: number): string {
  const at = (name: string): string => path.join(dir.path, name);
  fs.mkdirSync(at('package'));
  fs.mkdirSync(at('disk'));
  fs.writeFileSync(at('package/file'), randomBytes(size));
  execFileSync('tar', ['-czf', at('package.tgz'), '-C', dir.path, 'package']);
  const script = `
    import { unpack } from ${JSON.stringify(path.join(projectRoot, 'scripts/node/unpack.js'))};
    await unpack(${JSON.stringify(at('package.tgz'))}, (name) => ${JSON.stringify(at('disk'))} + '/' + name).then(
      () => console.log('unpacked'),
      ({ code }) => console.log(code),
    );`;
  const mount = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" --input-type=module -e "$3"';
  const { stdout } = spawnSync('unshare', [...OWN_DISK, mount, 'sh', at('disk'), process.execPath, script], {
    encoding: 'utf8',
  });
  return stdout.trim();
}

it.runIf(canMount).each([
  ['fits', MEGABYTE / 2, 'unpacked'],
  ['is much too large', 4 * MEGABYTE, 'ENOSPC'],
  ['lacks room for its last bytes only', MEGABYTE + 100, 'ENOSPC'],
])('a file that %s', (_, size, outcome) => {
  expect(unpackOnSmallDisk(size)).toBe(outcome);
});
