import type { Environment } from '../platform/tools.js';
import type { LauncherSettings } from '../settings.js';

export interface CommandInput {
  readonly settings: LauncherSettings;
  readonly env: Environment;
  readonly dataDir: string;
  /** Words after the command's name. */
  readonly args: readonly string[];
  /** Writes to standard output; whole lines. */
  readonly print: (text: string) => void;
  /** Ctrl-C, while the command has not come to its end. */
  readonly interrupted: AbortSignal;
}
