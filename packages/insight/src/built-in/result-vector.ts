import { decodeNpy } from '@cl-server/models';
import type { Collect } from '../collect-context.js';

/** The vector is the task's main result file, a `.npy`. */
export const collectResultVector: Collect = async ({ params, readFile }) => ({
  vector: decodeNpy(await readFile(String(params['output_path']))),
});
