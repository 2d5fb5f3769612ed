/** Folders, files, programs and ports for tests. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { needs } from './requirements.js';

/** The project's root folder. */
export const projectRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const shared = path.resolve(projectRoot, '../shared');

/** A private folder; `using` or `remove()` deletes it. */
/** Makes a folder with these files, by their relative paths, for code that takes the folder. */
export function folderWith(files: Readonly<Record<string, string | Buffer>>): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cl-folder-'));
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), content);
  }
  return folder;
}

export interface TempDir extends Disposable {
  readonly path: string;
  remove(): void;
}

export function tempDir(prefix = 'cl-test-'): TempDir {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), prefix));
  const remove = (): void => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  return { path: folder, remove, [Symbol.dispose]: remove };
}

/** Whether the folder with real photos and videos exists beside the project. */
export const hasMedia = (): boolean => needs('media', fs.existsSync(path.join(shared, 'media')));
export const mediaFile = (name: string): string => path.join(shared, 'media', name);

/** Whether the folder with real models exists beside the project. */
export const hasModels = (): boolean => needs('models', fs.existsSync(path.join(shared, 'models')));
export const modelFile = (name: string): string => path.join(shared, 'models', name);

/** Path of a program; undefined if it is not installed. */
export function which(program: string): string | undefined {
  for (const folder of [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const file = path.join(folder, program);
    if (fs.existsSync(file)) return file;
  }
  return undefined;
}

export const hasFfmpeg = (): boolean =>
  needs('ffmpeg', which('ffmpeg') !== undefined && which('ffprobe') !== undefined);
export const hasChromium = (): boolean => needs('chromium', which('chromium') !== undefined);
export const hasMosquitto = (): boolean => needs('mosquitto', which('mosquitto') !== undefined);

/** A port of loopback that was free a moment ago. Listen on port 0 instead if the program can report its port. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });

/** Makes a short video with ffmpeg's own test sources, so that tests need no foreign file. */
export function makeVideo(file: string, { seconds = 3, size = '320x240', rate = 25, audio = true } = {}): string {
  const sound = audio ? ['-f', 'lavfi', '-i', `sine=frequency=440:duration=${seconds}`] : [];
  execFileSync('ffmpeg', [
    '-v',
    'error',
    '-y',
    '-f',
    'lavfi',
    '-i',
    `testsrc2=size=${size}:rate=${rate}:duration=${seconds}`,
    ...sound,
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-pix_fmt',
    'yuv420p',
    '-shortest',
    file,
  ]);
  return file;
}
