import type { TaskContract } from '@cl-server/contract';
import type { z } from 'zod';

/** What a task's contract says of it, by the names of a definition. */
export const fromContract = <F extends z.ZodObject, O extends z.ZodObject>({
  form: params,
  ...named
}: TaskContract<F, O>) => ({ ...named, params });
