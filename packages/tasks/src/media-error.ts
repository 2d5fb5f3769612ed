import { MediaError } from '@cl-server/media';
import { type TaskEnvironment, TaskError } from '@cl-server/task-kit';

/** What decoding a picture needs to know of the worker. */
export const pictureOptions = ({ maxImagePixels, tools }: TaskEnvironment) => ({
  maxPixels: maxImagePixels,
  ffmpeg: tools.ffmpeg,
  exiftool: tools.exiftool,
});

/** Runs work on a file; what the media package foresaw becomes the task's own failure, with the same words. */
export async function onMedia<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof MediaError) throw new TaskError(error.code, error.message, { cause: error });
    throw error;
  }
}
