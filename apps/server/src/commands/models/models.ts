/** The command `cl-server models`. */
import { messageOf } from '@cl-server/kit';
import { ModelMissing, ModelStore } from '@cl-server/models';
import { StartupError } from '@cl-server/service-kit';
import type { Environment } from '../../platform/tools.js';
import { readArguments, USAGE, wrongUsage } from './arguments.js';
import type { ModelsInput } from './command.js';
import { list } from './list.js';
import { showPath } from './path.js';
import { pull } from './pull.js';
import { use } from './use.js';
import { verify } from './verify.js';

const ACTIONS: Readonly<Record<string, (input: ModelsInput) => Promise<void>>> = {
  list,
  pull,
  verify,
  path: showPath,
  use,
};

/**
 * @param argv the arguments after `models`
 * @throws StartupError with exit code 1 if a model is unavailable or unusable, 2 for invalid arguments, 130 if interrupted
 */
export async function models(
  argv: readonly string[],
  env: Environment,
  print: (text: string) => void,
  interrupted: AbortSignal = new AbortController().signal,
): Promise<undefined> {
  const args = readArguments(argv, env);
  if (args.help) {
    print(USAGE);
    return undefined;
  }
  const action = ACTIONS[args.action];
  if (!action) throw wrongUsage(`unknown command "models ${args.action}"`);
  const store = new ModelStore({ dir: args.dir, mirror: args.mirror });
  const terminal = process.stderr.isTTY && !args.json ? process.stderr : undefined;
  try {
    await action({ store, args, print, interrupted, terminal });
  } catch (error) {
    if (interrupted.aborted)
      throw new StartupError('interrupted; the downloaded part stays, and the next pull continues from there', 130, {
        cause: error,
      });
    if (error instanceof StartupError) throw error;
    const message = error instanceof ModelMissing ? error.messageWith(args.dir) : messageOf(error);
    throw new StartupError(message, 1, { cause: error });
  }
  return undefined;
}
