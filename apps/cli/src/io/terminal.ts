import pc from 'picocolors';

/** The streams of the program; the entry or a test provides them. */
export interface Streams {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
}

export type Format = 'human' | 'json' | 'ndjson' | 'quiet';

export type Colours = ReturnType<typeof pc.createColors>;

/** Uses colours on a terminal, unless `NO_COLOR` forbids them; `FORCE_COLOR` forces them. */
export const coloursFor = (stream: { readonly isTTY?: boolean }, env: Readonly<Record<string, string | undefined>>) =>
  pc.createColors(!env.NO_COLOR && (Boolean(env.FORCE_COLOR) || (stream.isTTY === true && env.TERM !== 'dumb')));
