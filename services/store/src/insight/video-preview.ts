/** The thumbnail of a video becomes the preview of its content, so that a grid of videos shows at once. */
import fs from 'node:fs';
import path from 'node:path';
import { mediaThumbnailTask } from '@cl-server/contract';
import { type Collect, defineInsight, type Insight, wholeFile } from '@cl-server/insight';
import type { MediaFolder } from '../files/media-folder.js';
import { PREVIEW, previewFile } from '../files/preview-file.js';

const collectPreview =
  (media: MediaFolder): Collect =>
  async (result, { sha256 }) => {
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

/** Brought by the store: the preview of a video is a file of its media folder. */
export const videoPreview = (media: MediaFolder): Insight =>
  defineInsight({
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
    collect: collectPreview(media),
  });
