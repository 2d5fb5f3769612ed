/** The work of the task `face_detection`. */
import type { DetectedFace, faceDetectionTask } from '@cl-server/contract';
import type { TaskContext, TaskModule } from '@cl-server/task-kit';
import type { z } from 'zod';
import { findFaces, saveCrop } from '../faces/find.js';
import type { LoadedModel } from '../vision/load-model.js';
import { openPyramid } from '../vision/pixels.js';
import { ServingModel } from '../vision/serving-model.js';

type Contract = typeof faceDetectionTask;

type Params = z.output<Contract['form']>;
type Output = z.input<Contract['output']>;

async function detect(model: LoadedModel, context: TaskContext<Params>): Promise<Output> {
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
    picture_error: picture.damage(),
    ...model.stamp,
  };
  await files.write(params.output_path, JSON.stringify(output, null, 2));
  context.progress(100);
  return output;
}

export function faceDetection(): TaskModule<Params, Output> {
  const serving = new ServingModel('face_detection');
  const run = (context: TaskContext<Params>): Promise<Output> =>
    serving.use(context.env, (model) => detect(model, context));

  return {
    setup: (env) => serving.load(env),
    run,
    // Pictures have different sizes, so they share no tensor; but some are decoded while another one is searched.
    runBatch: (contexts) => Promise.allSettled(contexts.map(run)),
    teardown: () => serving.release(),
  };
}
