/** The thumbnail of a video becomes the preview of its content, so that a grid of videos shows at once. */
import type { BlobStore } from '@cl-server/blobs';
import { mediaThumbnailTask } from '@cl-server/contract';
import { type Collect, defineInsight, type Insight, wholeFile } from '@cl-server/insight';
import { PREVIEW, previewKey } from '../files/preview-file.js';

const collectPreview =
  (blobs: Pick<BlobStore, 'put'>): Collect =>
  async (result, { sha256 }) => {
    const { output_path } = mediaThumbnailTask.output.parse(result.output);
    const png = await result.readFile(output_path);
    return {
      // Within the transaction: the content cannot be freed, and its preview removed, before this one is there.
      store: async () => {
        await blobs.put(previewKey(sha256), png, { isDurable: false });
        return [];
      },
    };
  };

/** Brought by the store: the preview of a video is a blob beside its media. */
export const videoPreview = (blobs: Pick<BlobStore, 'put'>): Insight =>
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
    collect: collectPreview(blobs),
  });
