/** The work of the task `clip_text_embedding`. */
import type { clipTextEmbeddingTask } from '@cl-server/contract';
import { encodeNpy, loadTokenizer, manifestById, type TextTokenizer, textFeeds } from '@cl-server/models';
import { type TaskContext, type TaskEnvironment, type TaskModule, TaskUnavailable } from '@cl-server/task-kit';
import type { z } from 'zod';
import { checkedVector } from '../vision/embed.js';
import { asUnavailable, type LoadedModel, modelFile, modelStore } from '../vision/load-model.js';
import { ServingModel } from '../vision/serving-model.js';

type Contract = typeof clipTextEmbeddingTask;
type Params = z.output<Contract['form']>;
type Output = z.input<Contract['output']>;

function textRules({ manifest: { id, preprocessing } }: LoadedModel) {
  if (preprocessing?.kind !== 'text') throw new TaskUnavailable('model_unusable', `model ${id} does not take texts`);
  return preprocessing;
}

async function tokenizerOf(model: LoadedModel, env: TaskEnvironment): Promise<TextTokenizer> {
  const { tokenizer: id } = textRules(model);
  const manifest = manifestById(id);
  if (model.serving.tokenizer === undefined && !manifest)
    throw new TaskUnavailable(
      'model_unusable',
      `tokenizer ${id} is not known: give its file to "models use --tokenizer"`,
    );
  try {
    const own = await modelStore(env).tokenizerOf(model.serving);
    return await loadTokenizer(own ?? (manifest ? await modelFile(env, manifest) : ''));
  } catch (error) {
    throw asUnavailable(error);
  }
}

async function embedText(model: LoadedModel, tokenizer: TextTokenizer, context: TaskContext<Params>): Promise<Output> {
  const { params, files, progress } = context;
  const { max_tokens: max, pad, pad_with: filler, type } = textRules(model);
  const { ids, count, truncated } = tokenizer.encode(params.text, max);
  const filled = pad ? [...ids, ...Array<number>(max - ids.length).fill(filler)] : ids;
  const feeds = textFeeds(filled, ids.length, type, model.inputs, model.input);
  const results = await model.session.run(feeds, [model.output]);
  const vector = checkedVector(results[model.output]?.data ?? new Float32Array(), params.normalize);
  await files.write(params.output_path, encodeNpy(vector));
  progress(100);
  return {
    embedding_dim: vector.length,
    normalized: params.normalize,
    ...model.stamp,
    tokens: count,
    truncated,
    embedding: [...vector],
  };
}

export function clipTextEmbedding(): TaskModule<Params, Output> {
  const serving = new ServingModel('clip_text');
  const tokenizers = new WeakMap<LoadedModel, TextTokenizer>();

  /** The tokenizer belongs to the model, and each model has its own. */
  const tokenizerFor = async (model: LoadedModel, env: TaskEnvironment): Promise<TextTokenizer> => {
    const tokenizer = tokenizers.get(model) ?? (await tokenizerOf(model, env));
    tokenizers.set(model, tokenizer);
    return tokenizer;
  };

  return {
    setup: (env) => serving.use(env, async (model) => void (await tokenizerFor(model, env))),
    run: (context) =>
      serving.use(context.env, async (model) => embedText(model, await tokenizerFor(model, context.env), context)),
    teardown: () => serving.release(),
  };
}
