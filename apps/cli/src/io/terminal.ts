import pc from 'picocolors';

/** What the program reads and writes; given by the entry, or by a test. */
export interface Streams {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

export type Format = 'human' | 'json' | 'ndjson' | 'quiet';

export type Colours = ReturnType<typeof pc.createColors>;

/** Colours where a person looks, unless `NO_COLOR` says no; `FORCE_COLOR` says yes. */
export const coloursFor = (stream: { readonly isTTY?: boolean }, env: Readonly<Record<string, string | undefined>>) =>
  pc.createColors(!env.NO_COLOR && (Boolean(env.FORCE_COLOR) || (stream.isTTY === true && env.TERM !== 'dumb')));
