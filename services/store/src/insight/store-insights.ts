import type { BlobStore } from '@cl-server/blobs';
import { builtInInsights, type Insight } from '@cl-server/insight';
import { videoPreview } from './video-preview.js';

/** The insights of each store, before those of plugins. */
export const storeInsights = (blobs: Pick<BlobStore, 'put'>): readonly Insight[] => [
  ...builtInInsights,
  videoPreview(blobs),
];
