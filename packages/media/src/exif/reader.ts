/**
 * Tags from exiftool, with numbers instead of words, by `Group:Tag` or by bare names; they contain no path of the
 * server.
 */
export type RawTags = Readonly<Record<string, unknown>>;

export interface ExifReaderOptions {
  /** An exiftool to use instead of the packaged one. */
  readonly exiftool?: string | undefined;
  /** Milliseconds for one file. Default 30 s. */
  readonly timeout?: number;
  /** Maximum number of files that wait; further ones are refused. Default 1000. */
  readonly maxQueue?: number;
}

export interface ExifReader {
  /**
   * Reads the tags of a file.
   * @param tags names that passed the tag grammar of the contract; without them all tags, with them keys without group
   * @throws MediaError `tool_missing` without exiftool or perl, `timeout`, `task_failed` if exiftool failed
   */
  read(file: string, tags?: readonly string[]): Promise<RawTags>;
  /**
   * Makes sure that exiftool can run.
   * @throws MediaError `tool_missing` without exiftool or perl
   */
  version(): Promise<string>;
  /** Ends the process. The reader cannot be used afterwards. */
  end(): Promise<void>;
}
