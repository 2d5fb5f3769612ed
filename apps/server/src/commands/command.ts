import type { Environment } from '../platform/tools.js';
import type { LauncherSettings } from '../settings.js';

export interface CommandInput {
  readonly settings: LauncherSettings;
  readonly env: Environment;
  readonly dataDir: string;
  /** The words after the name of the command. */
  readonly args: readonly string[];
  /** Writes complete lines to standard output. */
  readonly print: (text: string) => void;
  /** Aborted by Ctrl-C while the command runs. */
  readonly interrupted: AbortSignal;
}
