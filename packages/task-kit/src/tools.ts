/** Finds the external programs that tasks require. */
import { findProgram } from '@cl-server/kit';
import type { ToolPaths } from './context.js';

/** The variable that names the file of a program: `PYTHON3_PATH` for `python3`. */
export const toolVariable = (tool: string): string => `${tool.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}_PATH`;

/** The absolute paths of those programs that exist on this machine. */
export function findTools(
  tools: readonly string[],
  variables: Readonly<Record<string, string | undefined>>,
): ToolPaths {
  const found = [...new Set(tools)].flatMap((tool) => {
    const file = findProgram(tool, variables[toolVariable(tool)] || undefined, variables['PATH']);
    return file === undefined ? [] : [[tool, file] as const];
  });
  return Object.fromEntries(found);
}
