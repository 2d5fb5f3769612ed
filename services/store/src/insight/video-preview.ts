/** Makes the thumbnail of a video the preview of its content, so that a grid of videos appears at once. */
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
      // Runs within the transaction, so that the content cannot be freed before its preview is stored.
      store: async () => {
        await blobs.put(previewKey(sha256), png, { isDurable: false });
        return [];
      },
    };
  };

/** The store adds this insight, because the preview of a video is a blob beside its media. */
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
