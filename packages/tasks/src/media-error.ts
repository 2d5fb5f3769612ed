/** The connection of tasks to the media package: options and errors. */
import { MediaError } from '@cl-server/media';
import { type TaskEnvironment, TaskError } from '@cl-server/task-kit';

/** Options for decoding pictures that depend on the worker. */
export const pictureOptions = ({ maxImagePixels, tools }: TaskEnvironment) => ({
  maxPixels: maxImagePixels,
  ffmpeg: tools.ffmpeg,
  exiftool: tools.exiftool,
});

/**
 * Runs work on a file, and converts expected errors of the media package to errors of the task with the same message.
 */
export async function onMedia<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof MediaError) throw new TaskError(error.code, error.message, { cause: error });
    throw error;
  }
}
