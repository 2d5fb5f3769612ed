/** What a preview is and where it lies: the store makes one when asked, the insight worker takes a video's from its job. */
import path from 'node:path';
import type { MediaFolder } from './media-folder.js';

export const PREVIEW = {
  width: 256,
  keepAspect: true,
  format: 'png',
  quality: 80,
  background: '#ffffff',
} as const;

/** Absolute path. */
export const previewFile = (folder: Pick<MediaFolder, 'derived'>, sha256: string): string =>
  path.join(folder.derived, 'previews', sha256.slice(0, 2), `${sha256}.png`);
