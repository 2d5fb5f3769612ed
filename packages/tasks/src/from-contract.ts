/** Makes definitions of tasks from their contracts. */
import type { TaskContract } from '@cl-server/contract';
import type { z } from 'zod';

/** Converts the contract of a task to the fields of a definition. */
export const fromContract = <F extends z.ZodObject, O extends z.ZodObject>({
  form: params,
  ...named
}: TaskContract<F, O>) => ({ ...named, params });
