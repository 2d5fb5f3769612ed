import { builtInInsights, type Insight } from '@cl-server/insight';
import type { MediaFolder } from '../files/media-folder.js';
import { videoPreview } from './video-preview.js';

/** The insights of each store, before those of plugins. */
export const storeInsights = (media: MediaFolder): readonly Insight[] => [...builtInInsights, videoPreview(media)];
