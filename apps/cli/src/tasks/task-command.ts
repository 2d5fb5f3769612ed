import { decimal, integer } from '../command.js';

/** One option of a task as the command line has it. */
export interface TaskOption {
  /** As commander reads it: `-q, --quality <n>`. */
  readonly flags: string;
  readonly text: string;
  /** Name of the form field; default: the option's, with underscores. */
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
  /** `text`: the arguments are the text itself, no file. */
  readonly input: 'file' | 'text';
  readonly options: readonly TaskOption[];
  /** Seconds to wait when nothing is said. */
  readonly timeout: number;
}

const normalize: TaskOption = {
  flags: '--no-normalize',
  text: 'leave the vector at its own length',
  field: 'normalize',
};
const background: TaskOption = { flags: '--background <colour>', text: 'behind transparency, e.g. #ffffff' };
const faceOptions: readonly TaskOption[] = [
  { flags: '--confidence-threshold <n>', text: 'least confidence, 0 to 1', parse: decimal },
  { flags: '--nms-threshold <n>', text: 'overlap from which two boxes are one face, 0 to 1', parse: decimal },
  { flags: '--min-face-size <px>', text: 'smallest face', parse: integer },
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
    summary: 'CLIP vector of pictures',
    input: 'file',
    options: [normalize],
    timeout: 60,
  },
  {
    group: 'clip-text',
    verb: 'embed',
    task: 'clip_text_embedding',
    summary: 'CLIP vector of texts, comparable with those of pictures',
    input: 'text',
    options: [normalize],
    timeout: 60,
  },
  {
    group: 'dino-embedding',
    verb: 'embed',
    task: 'dino_embedding',
    summary: 'DINOv2 vector of pictures',
    input: 'file',
    options: [normalize],
    timeout: 60,
  },
  {
    group: 'exif',
    verb: 'extract',
    task: 'exif',
    summary: 'Metadata of files',
    input: 'file',
    options: [{ flags: '--tags <names>', text: 'only these tags, e.g. Make,Model', parse: commaList }],
    timeout: 30,
  },
  {
    group: 'face-detection',
    verb: 'detect',
    task: 'face_detection',
    summary: 'Faces of pictures; --output is a folder for the crops',
    input: 'file',
    options: faceOptions,
    timeout: 60,
  },
  {
    group: 'face-embedding',
    verb: 'embed',
    task: 'face_embedding',
    summary: 'Vector of a face, or with --detect of every face of a photo; --output is then a folder',
    input: 'file',
    options: [normalize, { flags: '--detect', text: 'find every face of a photo' }, ...faceOptions],
    timeout: 60,
  },
  {
    group: 'hash',
    verb: 'compute',
    task: 'hash',
    summary: 'Digests and perceptual hashes',
    input: 'file',
    options: [{ flags: '--algorithm <name>', text: 'digest for hash_value', choices: ['sha512', 'md5', 'sha256'] }],
    timeout: 30,
  },
  {
    group: 'hls-streaming',
    verb: 'generate-manifest',
    task: 'hls_streaming',
    summary: 'Adaptive stream of videos; --output takes a folder',
    input: 'file',
    options: [
      { flags: '--variants <list>', text: 'heights and kbit/s, e.g. 720:3500,480:1500, or JSON', parse: variants },
      { flags: '--no-include-original', text: 'only the variants', field: 'include_original' },
    ],
    timeout: 600,
  },
  {
    group: 'image-conversion',
    verb: 'convert',
    task: 'image_conversion',
    summary: 'Pictures in another format',
    input: 'file',
    options: [
      {
        flags: '-f, --format <name>',
        text: 'format of the result',
        choices: ['png', 'jpg', 'jpeg', 'webp', 'gif', 'bmp', 'tiff', 'avif'],
      },
      { flags: '-q, --quality <n>', text: '1 to 100', parse: integer },
      { flags: '--lossless', text: 'for webp and avif' },
      { flags: '-w, --width <px>', text: 'fit into this width', parse: integer },
      { flags: '-h, --height <px>', text: 'fit into this height', parse: integer },
      background,
      { flags: '--no-keep-metadata', text: 'drop the metadata', field: 'keep_metadata' },
    ],
    timeout: 60,
  },
  {
    group: 'media-thumbnail',
    verb: 'generate',
    task: 'media_thumbnail',
    summary: 'Small pictures of images, videos and songs',
    input: 'file',
    options: [
      { flags: '-w, --width <px>', text: 'fit into this width', parse: integer },
      { flags: '-h, --height <px>', text: 'fit into this height', parse: integer },
      { flags: '-f, --format <name>', text: 'format of the result', choices: ['jpg', 'webp', 'avif', 'png'] },
      { flags: '-q, --quality <n>', text: '1 to 100', parse: integer },
      {
        flags: '--no-maintain-aspect-ratio',
        text: 'stretch to exactly this size',
        field: 'maintain_aspect_ratio',
      },
      background,
      { flags: '--sheet', text: 'of a video also a sheet of frames' },
    ],
    timeout: 60,
  },
];
