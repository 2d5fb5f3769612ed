/** The context of a running task. These are types only, so a plugin needs nothing of the platform at run time. */

/** Writes one line to the worker's log: a message and fields, in either order. An `Error` is logged with its stack. */
export interface LogLine {
  (message: string, fields?: object): void;
  (fields: object, message?: string): void;
}

export interface TaskLogger {
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
}

/** Absolute paths of external programs by name: those of the platform, and those that the task requires. */
export interface ToolPaths {
  readonly ffmpeg?: string | undefined;
  readonly ffprobe?: string | undefined;
  readonly exiftool?: string | undefined;
  readonly [program: string]: string | undefined;
}

/** The machine and its configuration, as far as tasks need them. */
export interface TaskEnvironment {
  readonly tools: ToolPaths;
  readonly modelsDir: string;
  /** Folders to which `*_absolute_path` parameters may point: stored media to read, streams to write. */
  readonly mediaDir: string;
  readonly streamsDir: string;
  readonly maxImagePixels: number;
  /** Number of threads that one task may use. */
  readonly threads: number;
  /** Further settings by name, e.g. `EXECUTION_PROVIDER`. */
  readonly settings: Readonly<Record<string, string>>;
  readonly logger: TaskLogger;
  /**
   * Determines a fact about the machine once per worker, for any number of task processes: the value is JSON, and the
   * other processes get it by its name. After a failure, the next caller tries again.
   */
  readonly once: <T>(name: string, find: () => Promise<T>) => Promise<T>;
}

/** The files of the job, by relative paths only. Written files are kept apart until the job is committed. */
export interface TaskFiles {
  /** Absolute path of the uploaded input; undefined if the job has none. */
  readonly input: string | undefined;
  /** Absolute path for a result file, whose folders are created. `output/a.json` becomes the job's `output/a.json`. */
  output(relative: string): Promise<string>;
  /** Writes a small result file completely. */
  write(relative: string, content: string | Uint8Array): Promise<void>;
}

export interface TaskContext<Params> {
  readonly jobId: string;
  /** Number of the attempt; the first is 1. */
  readonly attempt: number;
  readonly params: Params & { readonly input_path?: string; readonly output_path: string };
  readonly files: TaskFiles;
  /** A folder for this attempt alone; it is always removed afterwards. */
  readonly scratch: string;
  /** Aborted on cancellation, timeout and a lost lease; child processes must end with it. */
  readonly signal: AbortSignal;
  readonly logger: TaskLogger;
  readonly env: TaskEnvironment;
  /** Reports a percentage from 0 to 100; a lower one than before is ignored. Calls are cheap. */
  progress(percent: number, message?: string): void;
}
