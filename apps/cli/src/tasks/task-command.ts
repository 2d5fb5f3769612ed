/** The commands of the built-in tasks. Their options are typed from the contract's table of tasks. */
import type { BuiltInTask, BuiltInTasks, HlsVariant, RequiredField, TaskOptions } from '@cl-server/contract';
import { decimal, integer } from '../command.js';

/** One option of a task command. */
export interface TaskOption {
  /** The short flag: `-q`. */
  readonly short?: string;
  /** The placeholder of the value in the help: `<n>`. A switch has none. */
  readonly value?: string;
  /** True for a switch that turns off what the task does by default: the flag is `--no-…`. */
  readonly off?: true;
  readonly text: string;
  readonly parse?: (text: string) => unknown;
  readonly choices?: readonly string[];
}

/** The option of a field: its values have the type that the contract names. */
type OptionOf<Value> = [Value] extends [boolean]
  ? { readonly text: string; readonly off?: true }
  : { readonly text: string; readonly short?: string; readonly value: string } & ([Value] extends [string]
      ? string extends Value
        ? object
        : { readonly choices: readonly Value[] }
      : { readonly parse: (text: string) => Value });

/** A text is given as an argument. Files of the server are only named by the platform's own jobs. */
type OptionField<T extends BuiltInTask> = Exclude<
  keyof TaskOptions<BuiltInTasks[T]>,
  (BuiltInTasks[T]['file'] extends 'none' ? RequiredField<BuiltInTasks[T]> : never) | `${string}_absolute_path`
>;

/** A task as a command. */
export interface TaskCommand {
  readonly group: string;
  readonly verb: string;
  readonly summary: string;
  /** `text`: the arguments are texts, not files. */
  readonly input: 'file' | 'text';
  /** Maps each form field to its option. The name of a flag is the name of its field. */
  readonly options: Readonly<Record<string, TaskOption>>;
  /** The default wait in seconds. */
  readonly timeout: number;
  /** Tells a person after the run what the parameters led to, if that may not be what was meant. */
  readonly remark?: (params: Readonly<Record<string, unknown>>) => string | undefined;
}

/** A built-in task as a command: it has an option for each field of the form, and no other. */
interface BuiltInCommand<T extends BuiltInTask> extends TaskCommand {
  readonly input: BuiltInTasks[T]['file'] extends 'none' ? 'text' : 'file';
  readonly options: {
    readonly [Field in OptionField<T>]-?: OptionOf<NonNullable<TaskOptions<BuiltInTasks[T]>[Field]>>;
  };
}

/** The long name of an option. */
export const longName = (field: string): string => field.replaceAll('_', '-');

/** The flags of an option, as commander reads them: `-q, --quality <n>`. */
export const flagsOf = (field: string, { short, value, off }: TaskOption): string =>
  `${short ? `${short}, ` : ''}--${off ? 'no-' : ''}${longName(field)}${value ? ` ${value}` : ''}`;

const normalize = { text: 'do not normalise the vector', off: true } as const;
const background = { value: '<colour>', text: 'colour behind transparent parts, e.g. #ffffff' };
const width = { short: '-W', value: '<px>', text: 'maximum width', parse: integer };
const height = { short: '-H', value: '<px>', text: 'maximum height', parse: integer };
const quality = { short: '-q', value: '<n>', text: 'quality, 1 to 100', parse: integer };
const format = { short: '-f', value: '<name>', text: 'format of the result' };
const faceOptions = {
  confidence_threshold: { value: '<n>', text: 'minimum confidence, 0 to 1', parse: decimal },
  nms_threshold: { value: '<n>', text: 'overlap at which two boxes count as one face, 0 to 1', parse: decimal },
  min_face_size: { value: '<px>', text: 'minimum size of a face', parse: integer },
};

const commaList = (text: string): string[] => text.split(',').map((word) => word.trim());

const variants = (text: string): HlsVariant[] =>
  text.trimStart().startsWith('[')
    ? JSON.parse(text)
    : text.split(',').map((word) => {
        const [resolution, bitrate] = word.split(':');
        return { resolution: integer(resolution ?? ''), bitrate: bitrate === undefined ? null : integer(bitrate) };
      });

/** The commands of the built-in tasks, by task. */
export const TASK_COMMANDS: { readonly [T in BuiltInTask]: BuiltInCommand<T> } = {
  clip_embedding: {
    group: 'clip-embedding',
    verb: 'embed',
    summary: 'Compute the CLIP vector of images',
    input: 'file',
    options: { normalize },
    timeout: 60,
  },
  clip_text_embedding: {
    group: 'clip-text',
    verb: 'embed',
    summary: 'Compute the CLIP vector of texts, comparable with those of images',
    input: 'text',
    options: { normalize },
    timeout: 60,
  },
  dino_embedding: {
    group: 'dino-embedding',
    verb: 'embed',
    summary: 'Compute the DINOv2 vector of images',
    input: 'file',
    options: { normalize },
    timeout: 60,
  },
  exif: {
    group: 'exif',
    verb: 'extract',
    summary: 'Extract the metadata of files',
    input: 'file',
    options: { tags: { value: '<names>', text: 'only these tags, e.g. Make,Model', parse: commaList } },
    timeout: 30,
  },
  face_detection: {
    group: 'face-detection',
    verb: 'detect',
    summary: 'Detect faces in images; --output is a folder for the crops',
    input: 'file',
    options: faceOptions,
    timeout: 60,
  },
  face_embedding: {
    group: 'face-embedding',
    verb: 'embed',
    summary: 'Compute the vector of a face, or with --detect of every face of a photo',
    input: 'file',
    options: {
      normalize,
      detect: { text: 'detect the faces of a photo; --output is then a folder' },
      ...faceOptions,
    },
    timeout: 60,
    remark: ({ detect }) =>
      detect ? undefined : 'The whole image was taken for one face; use --detect to find the faces in a photo',
  },
  hash: {
    group: 'hash',
    verb: 'compute',
    summary: 'Compute digests and perceptual hashes',
    input: 'file',
    options: { algorithm: { value: '<name>', text: 'digest in hash_value', choices: ['sha512', 'md5', 'sha256'] } },
    timeout: 30,
  },
  hls_streaming: {
    group: 'hls-streaming',
    verb: 'generate-manifest',
    summary: 'Convert videos to HLS streams; --output is a folder',
    input: 'file',
    options: {
      variants: { value: '<list>', text: 'heights and kbit/s, e.g. 720:3500,480:1500, or JSON', parse: variants },
      include_original: { text: 'create only the variants', off: true },
    },
    timeout: 600,
  },
  image_conversion: {
    group: 'image-conversion',
    verb: 'convert',
    summary: 'Convert images to another format',
    input: 'file',
    options: {
      format: { ...format, choices: ['png', 'jpg', 'jpeg', 'webp', 'gif', 'bmp', 'tiff', 'avif'] },
      quality,
      lossless: { text: 'lossless compression, for webp and avif' },
      width,
      height,
      background,
      keep_metadata: { text: 'remove the metadata', off: true },
    },
    timeout: 60,
  },
  media_thumbnail: {
    group: 'media-thumbnail',
    verb: 'generate',
    summary: 'Create thumbnails of images, videos and songs',
    input: 'file',
    options: {
      width,
      height,
      format: { ...format, choices: ['jpg', 'webp', 'avif', 'png'] },
      quality,
      maintain_aspect_ratio: { text: 'stretch to exactly this size', off: true },
      background,
      sheet: { text: 'also create a contact sheet (videos)' },
    },
    timeout: 60,
  },
};
