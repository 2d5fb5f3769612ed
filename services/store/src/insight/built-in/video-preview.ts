/** The thumbnail of a video becomes the preview of its content, so that a grid of videos shows at once. */
import fs from 'node:fs';
import path from 'node:path';
import { mediaThumbnailTask } from '@cl-server/contract';
import { PREVIEW, previewFile } from '../../files/preview-file.js';
import type { Collect } from '../collect-context.js';
import { defineInsight } from '../define.js';
import { wholeFile } from '../inputs.js';

const collectPreview: Collect = async (result, { sha256 }, { media }) => {
  const { output_path } = mediaThumbnailTask.output.parse(result.output);
  const png = await result.readFile(output_path);
  const target = previewFile(media, sha256);
  return {
    // Within the transaction: the content cannot be freed, and its preview removed, before this one is there.
    store: async () => {
      fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o750 });
      fs.writeFileSync(`${target}.job`, png);
      fs.renameSync(`${target}.job`, target);
      return [];
    },
  };
};

export const videoPreview = defineInsight({
  name: 'media_thumbnail',
  task: mediaThumbnailTask.type,
  params: {
    width: PREVIEW.width,
    maintain_aspect_ratio: PREVIEW.keepAspect,
    format: PREVIEW.format,
    quality: PREVIEW.quality,
    background: PREVIEW.background,
  },
  appliesTo: { video: wholeFile },
  collect: collectPreview,
});
