/** Settings of folders, of programs that read files, and of sizes. */
import { asBytes, asInt, asNonEmpty } from './setting.js';

/** Read by `foldersOf`, which knows the defaults. */
export const folderSettings = {
  mediaStorageDir: {
    env: 'MEDIA_STORAGE_DIR',
    parse: asNonEmpty,
    help: 'Folder of stored media (default: media in the data folder)',
  },
  computeStorageDir: {
    env: 'COMPUTE_STORAGE_DIR',
    parse: asNonEmpty,
    help: 'Folder of job files (default: compute in the data folder)',
  },
} as const;

export const modelsDirSetting = {
  env: 'MODELS_DIR',
  parse: asNonEmpty,
  help: 'Folder of models (default: models in the data folder)',
} as const;

export const toolSettings = {
  ffmpegPath: { env: 'FFMPEG_PATH', parse: asNonEmpty, help: 'Path of the ffmpeg program, if it is not in PATH' },
  ffprobePath: { env: 'FFPROBE_PATH', parse: asNonEmpty, help: 'Path of the ffprobe program, if it is not in PATH' },
  exiftoolPath: {
    env: 'EXIFTOOL_PATH',
    parse: asNonEmpty,
    help: 'Path of an exiftool program, instead of the one in the npm packages',
  },
} as const;

export const uploadSettings = {
  maxUploadBytes: {
    env: 'MAX_UPLOAD_BYTES',
    parse: asBytes,
    default: 20_000_000_000 as number,
    help: 'Maximum size of an upload',
  },
  maxImagePixels: {
    env: 'MAX_IMAGE_PIXELS',
    parse: asInt(1, 10_000_000_000),
    default: 150_000_000 as number,
    help: 'Maximum number of pixels of an image that is decoded',
  },
} as const;
