/** The public exports of `@cl-server/task-kit`: what authors of tasks use, and what services and workers need to run tasks. */

// For authors of tasks and plugins.

export { field } from '@cl-server/contract';
export { z } from 'zod';
export type { LogLine, TaskContext, TaskEnvironment, TaskFiles, TaskLogger, ToolPaths } from './context.js';
export {
  type AnyTask,
  DEFAULT_TIMEOUT,
  defineTask,
  type InputFile,
  type PrepareContext,
  type TaskDefinition,
  type TaskModule,
} from './define.js';
// For services and workers: finding tasks.
export { type DeclaredInsights, findInsights } from './discovery/insights.js';
export { importPlugin, loadDefinition } from './discovery/load.js';
export { BUILTIN_PACKAGE } from './discovery/packages.js';
export type { DisabledPlugin, LoadedPlugin, Plugin, PluginCandidate, PluginSource } from './discovery/plugin.js';
export { type DiscoveryOptions, discoverTasks, pluginFolders, TaskRegistry } from './discovery/registry.js';
export { invalidInput, TaskError, TaskRefusal, TaskUnavailable, unsupportedMedia } from './errors.js';
export type { PluginKit } from './kit.js';

// For services and workers: parameters, schemas and contexts of tasks.

export { formText, outputPath, parseParams, storedParams } from './params.js';
export { type ContextOptions, createTaskContext } from './run/context.js';
export { createTaskLogger, type LogSink } from './run/logger.js';
export { describeIssue, finishMainResult } from './run/result.js';
export { taskSchemas } from './schemas.js';
export { findTools, toolVariable } from './tools.js';
