/** Facts about the machine for tasks. */

import os from 'node:os';
import type { Folders } from '@cl-server/service-kit';
import { findTools, type LoadedPlugin } from '@cl-server/task-kit';
import type { RunnerEnvironment } from './runners/protocol.js';
import type { WorkerSettings } from './settings.js';

/** Programs that every task may use. The platform checks for them at its start. */
const PLATFORM_TOOLS = ['ffmpeg', 'ffprobe', 'exiftool'];

export function taskEnvironment(
  settings: WorkerSettings,
  folders: Folders,
  plugins: readonly Pick<LoadedPlugin, 'definition'>[],
  variables: Readonly<Record<string, string | undefined>>,
): RunnerEnvironment {
  const required = plugins.flatMap(({ definition }) => definition.requirements?.tools ?? []);
  // These three are settings, so they may also come from a flag or from config.yaml.
  const { ffmpegPath: FFMPEG_PATH, ffprobePath: FFPROBE_PATH, exiftoolPath: EXIFTOOL_PATH } = settings;
  return {
    tools: findTools([...PLATFORM_TOOLS, ...required], { ...variables, FFMPEG_PATH, FFPROBE_PATH, EXIFTOOL_PATH }),
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
