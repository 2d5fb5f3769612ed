import { MediaError } from '@cl-server/media';
import { TaskError } from '@cl-server/task-kit';

/** Runs work on a file; what the media package foresaw becomes the task's own failure, with the same words. */
export async function onMedia<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof MediaError) throw new TaskError(error.code, error.message, { cause: error });
    throw error;
  }
}
