import type { DetectedFace, faceDetectionTask } from '@cl-server/contract';
import type { TaskModule } from '@cl-server/task-kit';
import type { z } from 'zod';
import { findFaces, saveCrop } from '../faces/find.js';
import { type LoadedModel, loadModel } from '../vision/load-model.js';
import { openPyramid } from '../vision/pixels.js';

type Contract = typeof faceDetectionTask;

export function faceDetection(): TaskModule<z.output<Contract['form']>, z.input<Contract['output']>> {
  let model: LoadedModel | undefined;

  return {
    setup: async (env) => {
      model ??= await loadModel(env, 'face_detection');
    },
    run: async (context) => {
      if (!model) throw new Error('setup has not run');
      const { params, files } = context;
      const picture = await openPyramid(context);
      context.progress(20);
      const found = await findFaces(model, picture, params, (done, of) => context.progress(20 + (60 * done) / of));
      const faces: DetectedFace[] = [];
      for (const [index, { crop, ...face }] of found.entries())
        faces.push({ ...face, file_path: crop ? await saveCrop(files, index, crop) : '' });
      const output = {
        faces,
        num_faces: faces.length,
        image_width: picture.width,
        image_height: picture.height,
        ...model.stamp,
      };
      await files.write(params.output_path, JSON.stringify(output, null, 2));
      context.progress(100);
      return output;
    },
    teardown: async () => {
      await model?.session.release();
      model = undefined;
    },
  };
}
