import type { ModelStamp } from '@cl-server/contract';

/** Vectors with the same text may be compared; all others may not. */
export const modelStamp = (stamp: Pick<ModelStamp, 'model_id' | 'model_version' | 'preprocessing_version'>): string =>
  `${stamp.model_id}@${stamp.model_version}+${stamp.preprocessing_version}`;
