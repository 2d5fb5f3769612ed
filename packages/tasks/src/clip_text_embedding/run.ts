import type { clipTextEmbeddingTask } from '@cl-server/contract';
import { encodeNpy, intTensor, loadTokenizer, manifestById, type TextTokenizer } from '@cl-server/models';
import { type TaskModule, TaskUnavailable } from '@cl-server/task-kit';
import type { z } from 'zod';
import { finished } from '../vision/embed.js';
import { type LoadedModel, loadModel, modelFile } from '../vision/load-model.js';

type Contract = typeof clipTextEmbeddingTask;
type Params = z.output<Contract['form']>;
type Output = z.input<Contract['output']>;

/** What the CLIP text tower was trained to see after the end of a text: its end mark again. */
const END_OF_TEXT = 49_407;

function textRules(model: LoadedModel) {
  const rules = model.manifest.preprocessing;
  if (rules?.kind !== 'text')
    throw new TaskUnavailable('task_failed', `model ${model.manifest.id} does not take texts`);
  return rules;
}

export function clipTextEmbedding(): TaskModule<Params, Output> {
  let loaded: { model: LoadedModel; tokenizer: TextTokenizer } | undefined;

  return {
    setup: async (env) => {
      if (loaded) return;
      const model = await loadModel(env, 'clip_text');
      const { tokenizer: id } = textRules(model);
      const manifest = manifestById(id);
      if (!manifest) throw new TaskUnavailable('task_failed', `tokenizer ${id} is not known`);
      loaded = { model, tokenizer: await loadTokenizer(await modelFile(env, manifest)) };
    },
    run: async ({ params, files, progress }) => {
      if (!loaded) throw new Error('setup has not run');
      const { model, tokenizer } = loaded;
      const { max_tokens: max, pad, type } = textRules(model);
      const { ids, count, truncated } = tokenizer.encode(params.text, max);
      const filled = pad ? [...ids, ...Array<number>(max - ids.length).fill(END_OF_TEXT)] : ids;
      const results = await model.session.run({ [model.input]: intTensor(filled, [1, filled.length], type) }, [
        model.output,
      ]);
      const vector = finished(results[model.output]?.data ?? new Float32Array(), params.normalize);
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
    },
    teardown: async () => {
      await loaded?.model.session.release();
      loaded = undefined;
    },
  };
}
