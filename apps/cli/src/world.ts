import type { Transport } from '@cl-server/client';
import type { Streams } from './io/terminal.js';

/** What the program is given from outside. */
export interface World extends Streams {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Options that every command takes. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly ndjson?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
  readonly profile?: string;
  readonly authUrl?: string;
  readonly storeUrl?: string;
  readonly computeUrl?: string;
  readonly mqttUrl?: string;
  readonly token?: string;
  readonly transport?: Transport | 'poll';
  readonly loginUsername?: string;
  readonly loginPassword?: string;
  /** False with `--no-auth` before the command. */
  readonly sendLogin?: boolean;
}
