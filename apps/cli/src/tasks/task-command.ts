import { decimal, integer } from '../command.js';

/** One option of a task command. */
export interface TaskOption {
  /** The flags as commander reads them: `-q, --quality <n>`. */
  readonly flags: string;
  readonly text: string;
  /** The name of the form field; default: the name of the option with underscores. */
  readonly field?: string;
  readonly parse?: (value: string) => unknown;
  readonly choices?: readonly string[];
}

/** A built-in task as a command. */
export interface TaskCommand {
  readonly group: string;
  readonly verb: string;
  readonly task: string;
  readonly summary: string;
  /** `text`: the arguments are a text, not files. */
  readonly input: 'file' | 'text';
  readonly options: readonly TaskOption[];
  /** The default wait in seconds. */
  readonly timeout: number;
}

const normalize: TaskOption = {
  flags: '--no-normalize',
  text: 'do not scale the vector to length 1',
  field: 'normalize',
};
const background: TaskOption = {
  flags: '--background <colour>',
  text: 'colour behind transparent parts, e.g. #ffffff',
};
const faceOptions: readonly TaskOption[] = [
  { flags: '--confidence-threshold <n>', text: 'minimum confidence, 0 to 1', parse: decimal },
  { flags: '--nms-threshold <n>', text: 'overlap at which two boxes count as one face, 0 to 1', parse: decimal },
  { flags: '--min-face-size <px>', text: 'minimum size of a face', parse: integer },
];

const commaList = (text: string): string[] => text.split(',').map((word) => word.trim());

const variants = (text: string): unknown =>
  text.trimStart().startsWith('[')
    ? JSON.parse(text)
    : text.split(',').map((word) => {
        const [resolution, bitrate] = word.split(':');
        return { resolution: integer(resolution ?? ''), bitrate: bitrate === undefined ? null : integer(bitrate) };
      });

/** The commands of the built-in tasks. */
export const TASK_COMMANDS: readonly TaskCommand[] = [
  {
    group: 'clip-embedding',
    verb: 'embed',
    task: 'clip_embedding',
    summary: 'Compute the CLIP vector of pictures',
    input: 'file',
    options: [normalize],
    timeout: 60,
  },
  {
    group: 'clip-text',
    verb: 'embed',
    task: 'clip_text_embedding',
    summary: 'Compute the CLIP vector of texts, comparable with those of pictures',
    input: 'text',
    options: [normalize],
    timeout: 60,
  },
  {
    group: 'dino-embedding',
    verb: 'embed',
    task: 'dino_embedding',
    summary: 'Compute the DINOv2 vector of pictures',
    input: 'file',
    options: [normalize],
    timeout: 60,
  },
  {
    group: 'exif',
    verb: 'extract',
    task: 'exif',
    summary: 'Extract the metadata of files',
    input: 'file',
    options: [{ flags: '--tags <names>', text: 'only these tags, e.g. Make,Model', parse: commaList }],
    timeout: 30,
  },
  {
    group: 'face-detection',
    verb: 'detect',
    task: 'face_detection',
    summary: 'Detect faces in pictures; --output is a folder for the crops',
    input: 'file',
    options: faceOptions,
    timeout: 60,
  },
  {
    group: 'face-embedding',
    verb: 'embed',
    task: 'face_embedding',
    summary: 'Compute the vector of a face, or with --detect of every face of a photo',
    input: 'file',
    options: [
      normalize,
      { flags: '--detect', text: 'detect the faces of a photo; --output is then a folder' },
      ...faceOptions,
    ],
    timeout: 60,
  },
  {
    group: 'hash',
    verb: 'compute',
    task: 'hash',
    summary: 'Compute digests and perceptual hashes',
    input: 'file',
    options: [{ flags: '--algorithm <name>', text: 'digest in hash_value', choices: ['sha512', 'md5', 'sha256'] }],
    timeout: 30,
  },
  {
    group: 'hls-streaming',
    verb: 'generate-manifest',
    task: 'hls_streaming',
    summary: 'Convert videos to HLS streams; --output is a folder',
    input: 'file',
    options: [
      { flags: '--variants <list>', text: 'heights and kbit/s, e.g. 720:3500,480:1500, or JSON', parse: variants },
      { flags: '--no-include-original', text: 'create only the variants', field: 'include_original' },
    ],
    timeout: 600,
  },
  {
    group: 'image-conversion',
    verb: 'convert',
    task: 'image_conversion',
    summary: 'Convert pictures to another format',
    input: 'file',
    options: [
      {
        flags: '-f, --format <name>',
        text: 'format of the result',
        choices: ['png', 'jpg', 'jpeg', 'webp', 'gif', 'bmp', 'tiff', 'avif'],
      },
      { flags: '-q, --quality <n>', text: 'quality, 1 to 100', parse: integer },
      { flags: '--lossless', text: 'lossless compression, for webp and avif' },
      { flags: '-w, --width <px>', text: 'maximum width', parse: integer },
      { flags: '-h, --height <px>', text: 'maximum height', parse: integer },
      background,
      { flags: '--no-keep-metadata', text: 'remove the metadata', field: 'keep_metadata' },
    ],
    timeout: 60,
  },
  {
    group: 'media-thumbnail',
    verb: 'generate',
    task: 'media_thumbnail',
    summary: 'Create thumbnails of images, videos and songs',
    input: 'file',
    options: [
      { flags: '-w, --width <px>', text: 'maximum width', parse: integer },
      { flags: '-h, --height <px>', text: 'maximum height', parse: integer },
      { flags: '-f, --format <name>', text: 'format of the result', choices: ['jpg', 'webp', 'avif', 'png'] },
      { flags: '-q, --quality <n>', text: 'quality, 1 to 100', parse: integer },
      {
        flags: '--no-maintain-aspect-ratio',
        text: 'stretch to exactly this size',
        field: 'maintain_aspect_ratio',
      },
      background,
      { flags: '--sheet', text: 'also create a sheet of frames for a video' },
    ],
    timeout: 60,
  },
];
