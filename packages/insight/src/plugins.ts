/**
 * Insights of plugins: a package declares `"clServer": { "insights": { "my_insight": "./my-insight.js" } }` with a module whose
 * default export is the definition; a single file of the plugin folder exports it as `insight`. Instead of the definition, both
 * may export a function of the kit. A faulty insight disables only itself.
 */
import { MODEL_ROLES } from '@cl-server/contract';
import { messageOf } from '@cl-server/kit';
import type { Logger } from '@cl-server/service-kit';
import { findInsights, importPlugin, type PluginCandidate } from '@cl-server/task-kit';
import { z } from 'zod';
import { defineInsight, type Insight } from './define.js';
import { frames, wholeFile } from './inputs.js';
import { InsightRegistry } from './registry.js';

/** The parts of the platform that a plugin needs. A plugin that exports a function receives them as its argument. */
export const insightKit = Object.freeze({ defineInsight, wholeFile, frames, z });
export type InsightKit = typeof insightKit;

const isFunction = (value: unknown): boolean => typeof value === 'function';
const part = z.object({
  subjects: z.array(z.string().max(64)).max(64),
  read: z.custom<unknown>(isFunction, 'must be wholeFile or frames(n)'),
});

/** Strict: `follows`, `fingerprint` and downloads of their own need tables or endpoints that a plugin cannot have. */
const definition = z.strictObject({
  name: z.string(),
  task: z.string(),
  params: z.record(z.string(), z.unknown()).optional(),
  model: z.enum(MODEL_ROLES).optional(),
  version: z.string().min(1).max(64).optional(),
  appliesTo: z.record(z.string(), part),
  statusKey: z.undefined().optional(),
  collect: z.custom<unknown>(isFunction, 'must be a function').optional(),
  vector: z.strictObject({ kind: z.string(), title: z.string(), textTask: z.string().optional() }).optional(),
});

async function load(
  { file, task: name }: PluginCandidate,
  exportName: 'default' | 'insight',
): Promise<Insight | undefined> {
  const exported = (await importPlugin(file))[exportName];
  if (exported === undefined) {
    if (exportName === 'insight') return undefined;
    throw new Error('its module has no default export');
  }
  const made: unknown = isFunction(exported) ? await (exported as (kit: InsightKit) => unknown)(insightKit) : exported;
  const checked = definition.safeParse(made);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw new Error(`its export is no definition of an insight: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const insight = defineInsight(made as Insight);
  if (exportName === 'default' && insight.name !== name)
    throw new Error(`it is declared as "${name}" but defines "${insight.name}"`);
  return insight;
}

export interface DiscoverInsightsOptions {
  /** Insights that exist already: a plugin cannot replace them. */
  readonly known: readonly Insight[];
  readonly pluginsDir: string | undefined;
  /** Default: the folder in which the task kit is installed. */
  readonly searchFrom?: readonly string[];
  readonly logger: Pick<Logger, 'warn'>;
}

/** Finds and loads the insights of installed packages and of the plugin folder. */
export async function discoverInsights(options: DiscoverInsightsOptions): Promise<Insight[]> {
  const { known, pluginsDir, searchFrom, logger } = options;
  const { packages, files, broken } = findInsights({ pluginsDir, ...(searchFrom && { searchFrom }) });
  const refuse = (plugin: string, reason: string): void =>
    logger.warn({ plugin, reason }, 'an insight of a plugin is disabled');
  for (const { package: plugin, reason } of broken) refuse(plugin, reason);
  const found: Insight[] = [];
  const add = async (candidate: PluginCandidate, exportName: 'default' | 'insight'): Promise<void> => {
    try {
      const insight = await load(candidate, exportName);
      if (!insight) return;
      new InsightRegistry([...known, ...found, insight]); // throws if a name is taken
      found.push(insight);
    } catch (error) {
      refuse(candidate.package, messageOf(error).split('\n')[0] ?? '');
    }
  };
  for (const candidate of packages) await add(candidate, 'default');
  for (const candidate of files) await add(candidate, 'insight');
  return found;
}
