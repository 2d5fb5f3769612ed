/** The format and the key of previews, also for the processes that make them, which load nothing else of the store. */
export const PREVIEW = {
  width: 256,
  keepAspect: true,
  format: 'png',
  quality: 80,
  background: '#ffffff',
} as const;

/** Key of a content's preview in the blob store of the media. */
export const previewKey = (sha256: string): string => `.derived/previews/${sha256.slice(0, 2)}/${sha256}.png`;
