/**
 * One long-lived exiftool (perl) process reads metadata for the whole program. It is started at first use, and
 * restarted when it dies, when a file took too long and after every few hundred commands. Waiting files share one
 * command.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { Batcher } from '@cl-server/kit';
import { ExifTool, ExifToolTask } from 'exiftool-vendored';
import { MediaError } from '../errors.js';
import { refuseTextBomb } from '../image/png-texts.js';
import { exiftoolCommand, NOT_INSTALLED } from './command.js';
import { readMovieTimes } from './movie-times.js';
import type { ExifReader, ExifReaderOptions, RawTags } from './reader.js';
import { withoutServerFacts } from './server-facts.js';
import { tagArgument } from './tag-argument.js';
import { GUESSED } from './tags.js';

const SEARCH_PATH = '/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin';
/** Values of these tags are names. They stay text even if they look like numbers: a model `300`, a version `17.10`. */
const NAMES =
  /("(?:[\w-]+:)?(?:Make|Model|Software|Lens|LensModel|LensID|LensMake|SerialNumber)":\s*)(-?[\d.]+(?:e[-+]?\d+)?)(?=\s*[,}\n])/gi;
/** Every tag, with the name of its group. */
const ALL_TAGS = ['-G', '-n', '-json', '-fast'];
/** Maximum number of files in one command; a command costs about a quarter of a file. */
const BATCH_SIZE = 8;

/** One command for some files. Its answer omits files about which exiftool says nothing. */
class ReadTags extends ExifToolTask<readonly RawTags[]> {
  constructor(files: readonly string[], args: readonly string[]) {
    super(['-charset', 'filename=utf8', ...args, ...files]);
  }
  protected override parse(text: string, error?: Error): readonly RawTags[] {
    if (text.trim() === '') throw error ?? new Error('exiftool returned no answer');
    return JSON.parse(text.replace(NAMES, '$1"$2"')) as RawTags[];
  }
}

const killed = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve());
    // A program that could not be started emits no exit.
    if (child.exitCode !== null || child.signalCode !== null || !child.kill('SIGKILL')) resolve();
  });

/** Maximum number of bytes of the answer to one command; ten times what a file full of tables needs. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** Ends a process whose answer to one command is too long; each answer ends with a line that contains `{ready`. */
function limitAnswers(child: ChildProcess): void {
  let answered = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    answered = chunk.includes('{ready') ? 0 : answered + chunk.length;
    if (answered > MAX_ANSWER_BYTES) child.kill('SIGKILL');
  });
}

async function start(tool: string | undefined): Promise<ChildProcess> {
  const [program = '', ...args] = await exiftoolCommand(tool);
  const env = { PATH: SEARCH_PATH, LANG: 'C' };
  const child = spawn(program, [...args, '-stay_open', 'True', '-@', '-'], { stdio: 'pipe', env });
  limitAnswers(child);
  return child;
}

/** Corrects times before 1970 that ExifTool guessed, if the file shows what they are. */
async function withMovieTimes(file: string, tags: RawTags): Promise<RawTags> {
  const { 'ExifTool:Warning': warning, ...others } = tags;
  if (!GUESSED.test(String(warning ?? ''))) return tags;
  const times = await readMovieTimes(file).catch(() => undefined);
  return times ? { ...others, ...times } : tags;
}

export function openExifTool(options: ExifReaderOptions, ready: () => Promise<string>): ExifReader {
  const { exiftool: tool, timeout = 30_000, maxQueue = 1000 } = options;
  const children = new Set<ChildProcess>();
  const exiftool = new ExifTool({
    maxProcs: 1,
    maxTasksPerProcess: 500,
    taskTimeoutMillis: timeout,
    taskRetries: 0,
    // The owner of the reader ends the process, so no listener for exit signals is needed.
    cleanupChildProcsOnExit: false,
    processFactory: async () => {
      const child = await start(tool);
      children.add(child);
      child.once('exit', () => children.delete(child));
      return child;
    },
    ignoreMinorErrors: true,
  });
  let ended = false;
  let waiting = 0;
  // Without a listener, a failed start would be an unhandled error.
  exiftool.on('startError', () => undefined);

  const explain = (cause: unknown): MediaError => {
    if (cause instanceof MediaError) return cause;
    if (ended) return new MediaError('cancelled', 'The metadata reader has ended', { cause });
    const text = cause instanceof Error ? cause.message : String(cause);
    if (/timeout|timed out/i.test(text))
      return new MediaError('timeout', 'The metadata took too long to read', { cause });
    if (/file not found/i.test(text)) return new MediaError('task_failed', 'The file is no longer there', { cause });
    if (/ENOENT|spawn|not found|failed to start/i.test(text))
      return new MediaError('tool_missing', NOT_INSTALLED, { cause });
    return new MediaError('task_failed', 'The metadata could not be read: ExifTool stopped at this file', { cause });
  };

  const readAlone = async (file: string, args: readonly string[]): Promise<RawTags> => {
    const [tags] = await exiftool.enqueueTask(() => new ReadTags([file], args));
    if (!tags) throw new Error('exiftool returned an empty answer');
    return tags;
  };

  /**
   * Tags that were read together with other files; undefined for a file that must be read alone, because it or another
   * one broke the command.
   */
  const batcher = new Batcher<string, RawTags | undefined>(
    async (files) => {
      const [only, more] = files;
      if (only !== undefined && more === undefined) return [await readAlone(only, ALL_TAGS)];
      const read = await exiftool.enqueueTask(() => new ReadTags(files, ALL_TAGS)).catch(() => []);
      const byFile = new Map(read.map((tags) => [tags['SourceFile'], tags]));
      return files.map((file) => byFile.get(file));
    },
    { maxItems: BATCH_SIZE, collectFor: 'turn' },
  );

  return {
    version: ready,
    async read(file, tags = []) {
      if (ended) throw new MediaError('cancelled', 'The metadata reader has ended');
      if (/[\r\n]/.test(file) || !path.isAbsolute(file))
        throw new Error('exiftool needs an absolute path without line breaks');
      if (waiting >= maxQueue)
        throw new MediaError('task_failed', 'Too many files are waiting for their metadata; try again later');
      waiting++;
      try {
        await ready();
        await refuseTextBomb(file).catch((error: unknown) => {
          if (error instanceof MediaError) throw error;
          // exiftool itself reports a file that does not exist.
        });
        const read =
          tags.length > 0
            ? await readAlone(file, ['-n', '-json', ...tags.map(tagArgument)])
            : ((await batcher.add(file)) ?? (await readAlone(file, ALL_TAGS)));
        return withoutServerFacts(tags.length > 0 ? read : await withMovieTimes(file, read), file);
      } catch (error) {
        throw explain(error);
      } finally {
        waiting--;
      }
    },
    async end() {
      ended = true;
      await exiftool.end(false);
      // batch-cluster asks its processes to end but does not wait for each of them.
      await Promise.all([...children].map(killed));
    },
  };
}
