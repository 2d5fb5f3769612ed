/**
 * One long-lived exiftool (perl) process that reads metadata for everyone, started at first use, started anew when it
 * dies, when a file took too long and after every few hundred commands. Files that wait go into one command together.
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

const SEARCH = '/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin';
/** Numbers of these tags are names, and stay text as they are written: a model `300`, a version `17.10`. */
const NAMES =
  /("(?:[\w-]+:)?(?:Make|Model|Software|Lens|LensModel|LensID|LensMake|SerialNumber)":\s*)(-?[\d.]+(?:e[-+]?\d+)?)(?=\s*[,}\n])/gi;
/** Every tag, under the name of its group. */
const EVERYTHING = ['-G', '-n', '-json', '-fast'];
/** Files of one command: a command costs about a quarter of a file. */
const TOGETHER = 8;

/** One command for some files; those of which exiftool says nothing are left out of the answer. */
class ReadTags extends ExifToolTask<readonly RawTags[]> {
  constructor(files: readonly string[], args: readonly string[]) {
    super(['-charset', 'filename=utf8', ...args, ...files]);
  }
  protected override parse(text: string, error?: Error): readonly RawTags[] {
    if (text.trim() === '') throw error ?? new Error('exiftool gave no answer');
    return JSON.parse(text.replace(NAMES, '$1"$2"')) as RawTags[];
  }
}

const killed = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve());
    // A program that could not be started has no exit.
    if (child.exitCode !== null || child.signalCode !== null || !child.kill('SIGKILL')) resolve();
  });

/** Bytes that exiftool may say to one command; ten times what a file full of tables gives. */
const MAX_ANSWER = 32 * 1024 * 1024;

/** Ends a process that says more to one command than is allowed; the end of each answer is a line with `{ready`. */
function limitAnswers(child: ChildProcess): void {
  let said = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    said = chunk.includes('{ready') ? 0 : said + chunk.length;
    if (said > MAX_ANSWER) child.kill('SIGKILL');
  });
}

async function start(tool: string | undefined): Promise<ChildProcess> {
  const [program = '', ...args] = await exiftoolCommand(tool);
  const env = { PATH: SEARCH, LANG: 'C' };
  const child = spawn(program, [...args, '-stay_open', 'True', '-@', '-'], { stdio: 'pipe', env });
  limitAnswers(child);
  return child;
}

/** Puts right what ExifTool guessed of times before 1970, where the file shows what they are. */
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
    // Nothing listens for exit signals here: who made the reader ends it.
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
  // Without a listener a failed start would be thrown into the void.
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

  const alone = async (file: string, args: readonly string[]): Promise<RawTags> => {
    const [tags] = await exiftool.enqueueTask(() => new ReadTags([file], args));
    if (!tags) throw new Error('exiftool gave an empty answer');
    return tags;
  };

  /** What was read in company; undefined for a file that has to be read alone, since it or another broke the call. */
  const inCompany = new Batcher<string, RawTags | undefined>(
    async (files) => {
      const [only, more] = files;
      if (only !== undefined && more === undefined) return [await alone(only, EVERYTHING)];
      const read = await exiftool.enqueueTask(() => new ReadTags(files, EVERYTHING)).catch(() => []);
      const byFile = new Map(read.map((tags) => [tags['SourceFile'], tags]));
      return files.map((file) => byFile.get(file));
    },
    { maxItems: TOGETHER, collectFor: 'turn' },
  );

  return {
    version: ready,
    async read(file, tags = []) {
      if (ended) throw new MediaError('cancelled', 'The metadata reader has ended');
      if (/[\r\n]/.test(file) || !path.isAbsolute(file))
        throw new Error('exiftool needs an absolute path without line breaks');
      if (waiting >= maxQueue)
        throw new MediaError('task_failed', 'Too many files wait for their metadata; try again later');
      waiting++;
      try {
        await ready();
        await refuseTextBomb(file).catch((error: unknown) => {
          if (error instanceof MediaError) throw error;
          // That the file is gone exiftool says in its own words.
        });
        const read =
          tags.length > 0
            ? await alone(file, ['-n', '-json', ...tags.map(tagArgument)])
            : ((await inCompany.add(file)) ?? (await alone(file, EVERYTHING)));
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
      // batch-cluster asks its processes to end and does not wait for each.
      await Promise.all([...children].map(killed));
    },
  };
}
