/** What tasks are told of the machine. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TaskEnvironment, TOOLS, type Tool } from '@cl-server/task-kit';
import type { WorkerSettings } from './settings.js';

function executable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The programs that were named, or else are on the path. */
export function findTools(
  named: Readonly<Partial<Record<Tool, string | undefined>>>,
  searchPath: string | undefined,
): TaskEnvironment['tools'] {
  const folders = (searchPath ?? '').split(path.delimiter).filter(Boolean);
  return Object.fromEntries(
    TOOLS.flatMap((tool) => {
      const given = named[tool];
      const candidates = given === undefined ? folders.map((folder) => path.join(folder, tool)) : [path.resolve(given)];
      const found = candidates.find(executable);
      return found === undefined ? [] : [[tool, found]];
    }),
  );
}

export function taskEnvironment(
  settings: WorkerSettings,
  dataDir: string,
  searchPath: string | undefined,
): Omit<TaskEnvironment, 'logger'> {
  const { ffmpegPath: ffmpeg, ffprobePath: ffprobe, exiftoolPath: exiftool } = settings;
  return {
    tools: findTools({ ffmpeg, ffprobe, exiftool }, searchPath),
    modelsDir: path.resolve(settings.modelsDir ?? path.join(dataDir, 'models')),
    mediaDir: path.resolve(settings.mediaStorageDir ?? path.join(dataDir, 'media')),
    streamsDir: path.join(dataDir, 'streams'),
    maxImagePixels: settings.maxImagePixels,
    threads: Math.max(1, Math.floor(os.availableParallelism() / settings.concurrency)),
    settings: {
      EXECUTION_PROVIDER: settings.executionProvider,
      MODELS_DOWNLOAD: settings.modelsDownload,
      MODEL_THREADS: String(settings.modelThreads),
      ...(settings.modelsMirror !== undefined && { MODELS_MIRROR: settings.modelsMirror }),
    },
  };
}
