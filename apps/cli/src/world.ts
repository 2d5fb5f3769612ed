import type { Transport } from '@cl-server/client';
import type { Streams } from './io/terminal.js';

/** Everything that the program gets from outside. */
export interface World extends Streams {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted at Ctrl-C. */
  readonly signal: AbortSignal;
}

/** The options that every command accepts. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly ndjson?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
  readonly profile?: string;
  /** The one address from which the others follow. */
  readonly server?: string;
  readonly authUrl?: string;
  readonly storeUrl?: string;
  readonly computeUrl?: string;
  readonly mqttUrl?: string;
  readonly token?: string;
  readonly transport?: Transport | 'poll';
  readonly loginUsername?: string;
  readonly loginPassword?: string;
  /** False if `--no-auth` was given before the command. */
  readonly sendLogin?: boolean;
}
