/** The module of a task that turns a picture into one vector; CLIP and DINO differ in their model alone. */
import type { ModelRole, ModelStamp } from '@cl-server/contract';
import { encodeNpy } from '@cl-server/models';
import type { TaskContext, TaskModule } from '@cl-server/task-kit';
import { embedPictures, finished, imageRules } from './embed.js';
import { type LoadedModel, loadModel } from './load-model.js';
import { modelPixels } from './pixels.js';

export interface EmbeddingParams {
  readonly normalize: boolean;
}

export interface EmbeddingOutput extends ModelStamp {
  readonly embedding_dim: number;
  readonly normalized: boolean;
}

export function embeddingModule(role: ModelRole): TaskModule<EmbeddingParams, EmbeddingOutput> {
  let model: LoadedModel | undefined;

  const loaded = (): LoadedModel => {
    if (!model) throw new Error('setup has not run');
    return model;
  };

  const save = async (context: TaskContext<EmbeddingParams>, raw: Float32Array): Promise<EmbeddingOutput> => {
    const vector = finished(raw, context.params.normalize);
    await context.files.write(context.params.output_path, encodeNpy(vector));
    context.progress(100);
    return { embedding_dim: vector.length, normalized: context.params.normalize, ...loaded().stamp };
  };

  const prepare = async (context: TaskContext<EmbeddingParams>): Promise<Uint8Array> => {
    const pixels = await modelPixels(context, imageRules(loaded().manifest));
    context.progress(40);
    return pixels;
  };

  return {
    setup: async (env) => {
      model ??= await loadModel(env, role);
    },
    run: async (context) => {
      const [raw] = await embedPictures(loaded(), [await prepare(context)]);
      return save(context, raw ?? new Float32Array());
    },
    // A picture that cannot be decoded fails alone; the others go on without it.
    runBatch: async (contexts) => {
      const prepared = await Promise.allSettled(contexts.map(prepare));
      const good = prepared.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      const vectors = good.length > 0 ? await embedPictures(loaded(), good) : [];
      let next = 0;
      return Promise.allSettled(
        prepared.map(async (result, index) => {
          if (result.status === 'rejected') throw result.reason;
          const raw = vectors[next++] ?? new Float32Array();
          return save(contexts[index] as TaskContext<EmbeddingParams>, raw);
        }),
      );
    },
    teardown: async () => {
      await model?.session.release();
      model = undefined;
    },
  };
}
