/** Facts about the machine for tasks. */

import os from 'node:os';
import { findProgram } from '@cl-server/kit';
import type { Folders } from '@cl-server/service-kit';
import { type TaskEnvironment, TOOLS, type Tool } from '@cl-server/task-kit';
import type { RunnerEnvironment } from './runners/protocol.js';
import type { WorkerSettings } from './settings.js';

/** The programs that were named, or else are on the path. */
function findTools(
  named: Readonly<Partial<Record<Tool, string | undefined>>>,
  searchPath: string | undefined,
): TaskEnvironment['tools'] {
  return Object.fromEntries(
    TOOLS.flatMap((tool) => {
      const found = findProgram(tool, named[tool], searchPath);
      return found === undefined ? [] : [[tool, found]];
    }),
  );
}

export function taskEnvironment(
  settings: WorkerSettings,
  folders: Folders,
  searchPath: string | undefined,
): RunnerEnvironment {
  const { ffmpegPath: ffmpeg, ffprobePath: ffprobe, exiftoolPath: exiftool } = settings;
  return {
    tools: findTools({ ffmpeg, ffprobe, exiftool }, searchPath),
    modelsDir: folders.models,
    mediaDir: folders.media,
    streamsDir: folders.streams,
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
