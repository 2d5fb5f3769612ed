/** The work of the task `image_conversion`. */
import type { imageConversionTask } from '@cl-server/contract';
import { convertImage, MIME_OF_FORMAT } from '@cl-server/media';
import type { TaskModule } from '@cl-server/task-kit';
import type { z } from 'zod';
import { onMedia, pictureOptions } from '../media-error.js';

type Contract = typeof imageConversionTask;

export const imageConversion = (): TaskModule<z.output<Contract['form']>, z.input<Contract['output']>> => ({
  run: async (context) => {
    const { files, params, env, signal, progress } = context;
    if (files.input === undefined) throw new Error('the job has no input');
    const { format: asked, keep_metadata: keepMetadata, output_path, ...options } = params;
    const format = asked === 'jpeg' ? 'jpg' : asked;
    const target = await files.output(output_path);
    progress(5);
    const { metadataError, damage, ...written } = await onMedia(
      convertImage(files.input, target, {
        ...options,
        format,
        keepMetadata,
        ...pictureOptions(env),
        scratch: () => context.scratch, // created only if it is used, which is rare
        signal,
      }),
    );
    progress(100);
    const mime_type = MIME_OF_FORMAT[format];
    return { output_path, format: asked, mime_type, ...written, metadata_error: metadataError, picture_error: damage };
  },
});
