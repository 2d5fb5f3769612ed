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
