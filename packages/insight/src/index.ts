/** Insights about media: their definitions, the API of a store about them, and its clean-up. The worker is `./worker`. */

// The part that a store mounts, and the options that it passes.
export { type InsightService, type InsightServiceOptions, serveInsight } from './api/serve-insight.js';
// All insights of an installation.
export { builtInInsights } from './built-in/index.js';
export type { Orphans } from './cleanup/orphans.js';
// Defining an insight.
export type { Collect, Collected, JobResult, ResultSubject } from './collect-context.js';
export { eraseEntity } from './crops.js';
// The tables. The store's list of migrations fixes their order among its own.
export { insight0002 } from './database/migrations/0002-insight.js';
export { insight0004 } from './database/migrations/0004-waiting.js';
export { insight0006 } from './database/migrations/0006-duplicates.js';
export { insight0008 } from './database/migrations/0008-insight-results.js';
export type { InsightTables } from './database/tables.js';
export { defineInsight, type Insight, type InsightDefinition, type InsightVector } from './define.js';
export { jobsOf } from './inferences/jobs-of.js';
export { faceCrops, frames, type InsightInput, wholeFile } from './inputs.js';
export { INSIGHT_OWNER } from './owner.js';
export { type DiscoverInsightsOptions, discoverInsights, type InsightKit } from './plugins.js';
export type * from './port.js';
export { InsightRegistry } from './registry.js';
