/** What a preview is and where it lies: the store makes one when asked, the insight worker takes a video's from its job. */
export const PREVIEW = {
  width: 256,
  keepAspect: true,
  format: 'png',
  quality: 80,
  background: '#ffffff',
} as const;

/** Key of a content's preview in the blob store of the media. */
export const previewKey = (sha256: string): string => `.derived/previews/${sha256.slice(0, 2)}/${sha256}.png`;
