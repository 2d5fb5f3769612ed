import { VERSION } from '@cl-server/client/version';
import { printable, printableJson } from '@cl-server/contract/printable';
import { CommanderError, createProgram } from './command.js';
import { formatOf } from './context.js';
import { EXIT, type ExitCode } from './exit-codes.js';
import { failureOf } from './failure.js';
import { Output } from './io/output.js';
import { registerCommands } from './registry.js';
import type { GlobalOptions, World } from './world.js';

/** Reads the output format before the command line is parsed, so that a parse error is reported in that format. */
const outputOptions = (args: readonly string[]): GlobalOptions => ({
  json: args.includes('--json'),
  ndjson: args.includes('--ndjson'),
  quiet: args.includes('--quiet'),
  debug: args.includes('--debug'),
});

/** Rewrites `help store upload` to `store upload --help`, and `version` to `--version`. */
function rewritten(args: readonly string[]): readonly string[] {
  const [first, ...rest] = args;
  if (first === 'help') return [...rest.filter((word) => !word.startsWith('-')), '--help'];
  return first === 'version' && rest.length === 0 ? ['--version'] : args;
}

/**
 * Runs one command line.
 * @returns the exit code
 */
export async function main(given: readonly string[], world: World): Promise<ExitCode> {
  const args = rewritten(given);
  const program = createProgram(VERSION, world);
  try {
    await registerCommands(program, world, args);
    await program.parseAsync(args, { from: 'user' });
    return EXIT.ok;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return tell(error, world, outputOptions(args));
  }
}

function tell(error: unknown, world: World, options: GlobalOptions): ExitCode {
  const { exitCode, message, hint, ...rest } = failureOf(error, world.signal.aborted);
  const format = formatOf(options);
  const out = new Output(world, format, world.env);
  if (format === 'json' || format === 'ndjson')
    world.stderr.write(`${printableJson({ error: { message, hint, exit_code: exitCode, ...rest } })}\n`);
  else {
    out.error(message);
    if (hint) out.note(`  ${hint}`);
    if (rest.request_id && rest.status !== undefined && rest.status >= 500) out.note(`  request ${rest.request_id}`);
  }
  if (options.debug) world.stderr.write(`${printable((error instanceof Error && error.stack) || String(error))}\n`);
  return exitCode;
}
