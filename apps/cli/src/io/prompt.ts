import { printable } from '@cl-server/contract/printable';
import { CliError, EXIT } from '../exit-codes.js';
import type { Streams } from './terminal.js';

const options = ({ stdin, stderr }: Streams) => ({ input: stdin as never, output: stderr as never });

function answered<T>(value: T | symbol): T {
  if (typeof value === 'symbol') throw new CliError('Given up', EXIT.interrupted);
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

/**
 * Asks before something is lost.
 * @throws CliError where nobody can be asked: `--yes` must then say so
 */
export async function confirmed(streams: Streams, message: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!streams.stdin.isTTY) throw new CliError(`${message} Say so with --yes`, EXIT.usage);
  const { confirm } = await import('@clack/prompts');
  const sure = answered<boolean>(
    await confirm({ message: printable(message), initialValue: false, ...options(streams) }),
  );
  if (!sure) throw new CliError('Nothing was done', EXIT.failed);
}

/** Everything on standard input, as text. */
export async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of stream) parts.push(Buffer.from(chunk as Buffer | string));
  return Buffer.concat(parts).toString('utf8');
}
