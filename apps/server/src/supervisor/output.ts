/** Sends every output line of the platform to `run_logs/<name>.log` as JSON and to the terminal as text. */
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import type { Readable } from 'node:stream';
import { createLogger, type Logger } from '@cl-server/service-kit/program';
import pc from 'picocolors';
import { LogFile } from './log-file.js';
import { type LogRecord, parseLine, readableLine } from './readable-line.js';

const COLOUR: Readonly<Record<string, (text: string) => string>> = {
  fatal: pc.red,
  error: pc.red,
  warn: pc.yellow,
  debug: pc.dim,
  trace: pc.dim,
};

/** Lines that only the log files contain: an import makes thousands of them, and they would hide the important ones. */
const isRoutine = ({ msg, level, status }: LogRecord): boolean =>
  msg === 'request' && level === 'info' && typeof status === 'number' && status < 500;

export interface OutputOptions {
  readonly folder: string;
  /** Writes complete lines to the terminal. */
  readonly print: (text: string) => void;
  readonly now?: () => Date;
}

export class Output {
  readonly #folder: string;
  readonly #print: (text: string) => void;
  readonly #now: () => Date;
  readonly #files = new Map<string, LogFile>();

  constructor({ folder, print, now = () => new Date() }: OutputOptions) {
    fs.mkdirSync(folder, { recursive: true, mode: 0o750 });
    this.#folder = folder;
    this.#print = print;
    this.#now = now;
  }

  /** Follows one output stream of a process until it ends. */
  follow(name: string, stream: Readable, kind: 'stdout' | 'stderr'): void {
    const lines = readline.createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
    lines.on('line', (line) => {
      if (line.trim() !== '')
        this.#record(name, parseLine(line, name, kind === 'stderr' ? 'error' : 'info', this.#now));
    });
  }

  /** The launcher's own logger, which writes to the same two places. */
  logger(name: string, level: string): Logger {
    return createLogger({
      name,
      level,
      destination: { write: (line) => this.#record(name, parseLine(line.trimEnd(), name, 'info', this.#now)) },
    });
  }

  #record(name: string, record: LogRecord): void {
    let file = this.#files.get(name);
    if (!file) {
      file = new LogFile(path.join(this.#folder, `${name}.log`));
      this.#files.set(name, file);
    }
    file.write(JSON.stringify(record));
    if (isRoutine(record)) return;
    const paint = COLOUR[record.level] ?? ((text: string) => text);
    this.#print(`${paint(readableLine(record, name))}\n`);
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }
}
