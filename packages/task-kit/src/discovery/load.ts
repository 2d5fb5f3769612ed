/** From a plugin's module to its definition. Only definitions are loaded here, never the code that does the work. */
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { type AnyTask, defineTask } from '../define.js';
import { type PluginKit, pluginKit } from '../kit.js';
import { taskSchemas } from '../schemas.js';

/** A module that has not loaded by then waits for something at its top level, and would hold up the whole start. */
const LOAD_WITHIN = 10_000;

const definitionShape = z.looseObject({
  type: z.string(),
  version: z.string(),
  summary: z.string(),
  params: z.custom<object>(isSchema, 'params must be a z.object of form fields'),
  output: z.custom<object>(isSchema, 'output must be a z.object'),
  load: z.custom<() => Promise<unknown>>((value) => typeof value === 'function', 'load must be a function'),
});

/** By shape, not by class: a plugin may bring a zod of its own. */
function isSchema(value: unknown): boolean {
  const schema = value as { safeParse?: unknown; shape?: unknown } | null;
  return typeof schema?.safeParse === 'function' && typeof schema.shape === 'object';
}

async function importWithin(file: string, milliseconds: number): Promise<Record<string, unknown>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`its module did not load within ${milliseconds / 1000} s`)),
      milliseconds,
    );
  });
  try {
    return await Promise.race([import(pathToFileURL(file).href) as Promise<Record<string, unknown>>, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Loads a definition: the module's default export, or what that export makes of the kit when it is a function (a plugin
 * in the plugin folder has no packages of its own to import from).
 * @throws Error saying in one sentence what is wrong
 */
export async function loadDefinition(file: string): Promise<AnyTask> {
  const module = await importWithin(file, LOAD_WITHIN);
  const exported = module['default'];
  if (exported === undefined) throw new Error('its module has no default export');
  const made: unknown =
    typeof exported === 'function' ? await (exported as (kit: PluginKit) => unknown)(pluginKit) : exported;
  const checked = definitionShape.safeParse(made);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw new Error(`its default export is not a task definition: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const definition = defineTask(made as AnyTask);
  try {
    taskSchemas(definition); // the service publishes them: better refused here than there
  } catch (error) {
    throw new Error(`its schemas have no JSON Schema: ${error instanceof Error ? error.message : String(error)}`);
  }
  return definition;
}
