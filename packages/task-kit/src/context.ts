/** What a running task is given. Types only: a plugin needs nothing of the platform at run time but these. */

export interface TaskLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** External programs a task may ask for. */
export const TOOLS = ['ffmpeg', 'ffprobe', 'exiftool'] as const;
export type Tool = (typeof TOOLS)[number];

/** The machine and the configuration, as far as tasks need them. */
export interface TaskEnvironment {
  /** Absolute paths of the programs that were found. */
  readonly tools: Readonly<Partial<Record<Tool, string>>>;
  readonly modelsDir: string;
  /** Folders in which `*_absolute_path` parameters may point: stored media to read, streams to write. */
  readonly mediaDir: string;
  readonly streamsDir: string;
  readonly maxImagePixels: number;
  /** Threads that one task may use. */
  readonly threads: number;
  /** Further settings by name, e.g. `EXECUTION_PROVIDER`. */
  readonly settings: Readonly<Record<string, string>>;
  readonly logger: TaskLogger;
  /**
   * Finds something out about the machine once per worker, however many task processes it starts: the value is JSON and
   * known to the others by its name. What failed is tried again by the next who asks.
   */
  readonly once: <T>(name: string, find: () => Promise<T>) => Promise<T>;
}

/** The job's files. Relative paths only; what is written lies apart until the job is committed. */
export interface TaskFiles {
  /** Absolute path of the uploaded input, or undefined where the job has none. */
  readonly input: string | undefined;
  /** Absolute path for a result file; its folders are made. `output/a.json` becomes the job's `output/a.json`. */
  output(relative: string): Promise<string>;
  /** Writes a small result file whole. */
  write(relative: string, content: string | Uint8Array): Promise<void>;
}

export interface TaskContext<Params> {
  readonly jobId: string;
  /** 1 at the first try. */
  readonly attempt: number;
  readonly params: Params & { readonly input_path?: string; readonly output_path: string };
  readonly files: TaskFiles;
  /** A folder of this attempt alone; removed afterwards, whatever happens. */
  readonly scratch: string;
  /** Aborted on cancel, timeout and lost lease; child processes must die with it. */
  readonly signal: AbortSignal;
  readonly logger: TaskLogger;
  readonly env: TaskEnvironment;
  /** Percent from 0 to 100; smaller than before is ignored. Cheap to call often. */
  progress(percent: number, message?: string): void;
}
