/** Models that results should be made with now; asked again and again, since `models use` may change them at any time. */
import type { ModelRole } from '@cl-server/contract';
import type { ModelStore } from '@cl-server/models';
import { modelStamp } from '../vectors/model-stamp.js';

const ROLE_OF: Readonly<Record<string, ModelRole>> = {
  face_detection: 'face_detection',
  face_embedding: 'face_embedding',
  clip_embedding: 'clip_image',
  dino_embedding: 'dino_image',
};

export interface WantedModels {
  /** Stamp by task; a task without a model has the empty text. */
  of(taskType: string): string;
  /** Differs when any of them does. */
  readonly signature: string;
}

export async function readWantedModels(store: Pick<ModelStore, 'serving'>): Promise<WantedModels> {
  const stamps = new Map<string, string>();
  for (const [task, role] of Object.entries(ROLE_OF)) {
    const { manifest } = await store.serving(role);
    const { id, version, preprocessing_version } = manifest;
    stamps.set(task, modelStamp({ model_id: id, model_version: version, preprocessing_version }));
  }
  return { of: (task) => stamps.get(task) ?? '', signature: [...stamps].join(';') };
}
