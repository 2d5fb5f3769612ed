import { printable } from '@cl-server/contract/printable';
import { CliError, EXIT } from '../exit-codes.js';
import type { Streams } from './terminal.js';

const options = ({ stdin, stderr }: Streams) => ({ input: stdin as never, output: stderr as never });

function answered<T>(value: T | symbol): T {
  if (typeof value === 'symbol') throw new CliError('Cancelled', EXIT.interrupted);
  return value;
}

export async function askText(streams: Streams, message: string): Promise<string> {
  const { text } = await import('@clack/prompts');
  return answered<string>(await text({ message: printable(message), ...options(streams) }));
}

export async function askPassword(streams: Streams, message: string): Promise<string> {
  const { password } = await import('@clack/prompts');
  return answered<string>(await password({ message: printable(message), ...options(streams) }));
}

/** Asks a question that is answered with yes or no. @returns undefined if nobody can be asked */
export async function agreed(streams: Streams, message: string): Promise<boolean | undefined> {
  if (!streams.stdin.isTTY) return undefined;
  const { confirm } = await import('@clack/prompts');
  return answered<boolean>(await confirm({ message: printable(message), initialValue: false, ...options(streams) }));
}

/**
 * Asks for confirmation before something is lost.
 * @throws CliError if the answer is no, or if nobody can be asked and `--yes` was not given
 */
export async function confirmed(streams: Streams, message: string, yes: boolean): Promise<void> {
  if (yes) return;
  const answer = await agreed(streams, message);
  if (answer === undefined) throw new CliError(`${message} Pass --yes to confirm`, EXIT.usage);
  if (!answer) throw new CliError('Cancelled', EXIT.failed);
}

/** Reads everything on standard input as text. */
export async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of stream) parts.push(Buffer.from(chunk as Buffer | string));
  return Buffer.concat(parts).toString('utf8');
}
