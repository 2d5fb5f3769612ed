/** The functions of the platform that a plugin receives if it imports none. */
import { field } from '@cl-server/contract';
import { z } from 'zod';
import { defineTask } from './define.js';
import { invalidInput, TaskError, TaskRefusal, TaskUnavailable, unsupportedMedia } from './errors.js';

/** The functions that a plugin needs of the platform; a default export that is a function receives them. */
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
