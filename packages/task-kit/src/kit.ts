import { field } from '@cl-server/contract';
import { z } from 'zod';
import { defineTask } from './define.js';
import { invalidInput, TaskError, TaskRefusal, TaskUnavailable, unsupportedMedia } from './errors.js';

/** What a plugin needs of the platform, handed to a default export that is a function. */
export const pluginKit = Object.freeze({
  defineTask,
  field,
  z,
  TaskError,
  TaskRefusal,
  TaskUnavailable,
  invalidInput,
  unsupportedMedia,
});
export type PluginKit = typeof pluginKit;
