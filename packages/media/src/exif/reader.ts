import { MediaError } from '../errors.js';

/** Tags as exiftool gives them with numbers instead of words, `Group:Tag` or bare names; no path of the server. */
export type RawTags = Readonly<Record<string, unknown>>;

export interface ExifReaderOptions {
  /** An exiftool to use instead of the packaged one. */
  readonly exiftool?: string | undefined;
  /** Milliseconds for one file. Default 30 s. */
  readonly timeout?: number;
  /** Files that may wait; one more is refused. Default 1000. */
  readonly maxQueue?: number;
}

export interface ExifReader {
  /**
   * @param tags names that passed the tag grammar of the contract; none means all. With them the keys have no group.
   * @throws MediaError `tool_missing` without exiftool or perl, `timeout`, `task_failed` where exiftool broke
   */
  read(file: string, tags?: readonly string[]): Promise<RawTags>;
  /**
   * Makes sure that exiftool can run.
   * @throws MediaError `tool_missing` without exiftool or perl
   */
  version(): Promise<string>;
  /** Ends the process; the reader may not be used again. */
  end(): Promise<void>;
}

/**
 * The reader of everyone in this process. ExifTool's library is loaded at the first question: every service and every task
 * process could ask one, and few do.
 */
export function createExifReader(options: ExifReaderOptions = {}): ExifReader {
  let opened: Promise<ExifReader> | undefined;
  let ended = false;
  const open = async (): Promise<ExifReader> => {
    if (ended && !opened) throw new MediaError('cancelled', 'The metadata reader has ended');
    opened ??= import('./exiftool.js').then(({ openExifTool }) => openExifTool(options));
    return opened;
  };
  return {
    read: async (file, tags) => (await open()).read(file, tags),
    version: async () => (await open()).version(),
    end: async () => {
      ended = true;
      await (await opened)?.end();
    },
  };
}
