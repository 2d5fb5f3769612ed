/** Models that results should be made with now. They are read repeatedly, because `models use` may change them at any time. */
import type { ModelStore } from '@cl-server/models';
import type { Insight } from '../define.js';
import { modelStamp } from '../model-stamp.js';

export interface WantedModels {
  /** Stamp by the name of an insight; empty for an insight without a model. */
  of(insight: string): string;
  /** Differs if any of the stamps differs. */
  readonly signature: string;
}

async function stampOf({ name, model, version }: Insight, store: Pick<ModelStore, 'serving'>): Promise<string> {
  if (version !== undefined) return modelStamp({ model_id: name, model_version: version, preprocessing_version: '' });
  if (model === undefined) return '';
  const { id, version: model_version, preprocessing_version } = (await store.serving(model)).manifest;
  return modelStamp({ model_id: id, model_version, preprocessing_version });
}

export async function readWantedModels(
  store: Pick<ModelStore, 'serving'>,
  insights: Iterable<Insight>,
): Promise<WantedModels> {
  const stamps = new Map<string, string>();
  for (const insight of insights) stamps.set(insight.name, await stampOf(insight, store));
  return { of: (insight) => stamps.get(insight) ?? '', signature: [...stamps].join(';') };
}
