/** The module of a task that converts a picture to one vector; CLIP and DINO differ only in their model. */
import type { ModelRole, ModelStamp } from '@cl-server/contract';
import { encodeNpy } from '@cl-server/models';
import type { TaskContext, TaskModule } from '@cl-server/task-kit';
import { checkedVector, embedPictures, imageRules } from './embed.js';
import type { LoadedModel } from './load-model.js';
import { type ModelPixels, modelPixels } from './pixels.js';
import { ServingModel } from './serving-model.js';

export interface EmbeddingParams {
  readonly normalize: boolean;
}

export interface EmbeddingOutput extends ModelStamp {
  readonly embedding_dim: number;
  readonly normalized: boolean;
  readonly picture_error: string | null;
}

export function embeddingModule(role: ModelRole): TaskModule<EmbeddingParams, EmbeddingOutput> {
  const serving = new ServingModel(role);
  type Context = TaskContext<EmbeddingParams>;

  const save = async (
    context: Context,
    { stamp }: LoadedModel,
    { damage }: ModelPixels,
    raw: Float32Array,
  ): Promise<EmbeddingOutput> => {
    const vector = checkedVector(raw, context.params.normalize);
    await context.files.write(context.params.output_path, encodeNpy(vector));
    context.progress(100);
    const { normalize: normalized } = context.params;
    return { embedding_dim: vector.length, normalized, picture_error: damage, ...stamp };
  };

  const prepare = async (context: Context, { manifest }: LoadedModel): Promise<ModelPixels> => {
    const pixels = await modelPixels(context, imageRules(manifest));
    context.progress(40);
    return pixels;
  };

  return {
    setup: (env) => serving.load(env),
    run: (context) =>
      serving.use(context.env, async (model) => {
        const picture = await prepare(context, model);
        const [raw] = await embedPictures(model, [picture.pixels]);
        return save(context, model, picture, raw ?? new Float32Array());
      }),
    // A picture that cannot be decoded fails by itself; the others continue without it.
    runBatch: async (contexts) => {
      const [first] = contexts;
      if (!first) return [];
      return serving.use(first.env, async (model) => {
        const prepared = await Promise.allSettled(contexts.map((context) => prepare(context, model)));
        const good = prepared.flatMap((result) => (result.status === 'fulfilled' ? [result.value.pixels] : []));
        const vectors = good.length > 0 ? await embedPictures(model, good) : [];
        let next = 0;
        return Promise.allSettled(
          prepared.map(async (result, index) => {
            if (result.status === 'rejected') throw result.reason;
            const raw = vectors[next++] ?? new Float32Array();
            return save(contexts[index] as Context, model, result.value, raw);
          }),
        );
      });
    },
    teardown: () => serving.release(),
  };
}
