/** The public exports of `@cl-server/media`; all other modules are internal. */

// Errors, whose messages are for clients.

export { MediaError, type MediaErrorCode, unsupportedMediaKind } from './errors.js';

// Kinds of files, by their content.

export type { MediaKind } from './sniff/kinds.js';
export { readHeadSync, sniffFile, sniffHead } from './sniff/sniff.js';

// Images: headers, pixels, conversions and thumbnails.

export { convertImage } from './image/convert.js';
export { type DecodedImage, type DecodeOptions, decodeImage } from './image/decode.js';
export { MIME_OF_FORMAT } from './image/encode.js';
export { imageHeader, imageShape } from './image/header.js';
export { isDecodedHere } from './image/open.js';
export { sharp } from './image/sharp.js';
export { type ImageThumbnailOptions, imageThumbnail } from './image/thumbnail.js';

// Audio and video: streams, frames, covers and thumbnails.

export { extractCover } from './video/cover.js';
export { evenTimes, videoFrame } from './video/frame.js';
export { mediaInput } from './video/input.js';
export { probe } from './video/probe.js';
export { contactSheet, pictureTrack, SHEET, sheetIndex, videoThumbnail } from './video/thumbnail.js';

// HLS streams.

export type { HlsPlan } from './hls/command.js';
export { type Encoder, EncoderFinder, SOFTWARE } from './hls/encoder.js';
export { originalRange } from './hls/hdr-copy.js';
export { ladder } from './hls/ladder.js';
export { type MadeRendition, type MadeStream, type MakeOptions, makeHls } from './hls/make.js';

// Metadata.

export { exifFields } from './exif/fields.js';
export { createExifReader } from './exif/lazy-reader.js';
export type { ExifReader, RawTags } from './exif/reader.js';
export { type RecordingFields, recordingFields } from './exif/recording.js';
export { tagFacts } from './exif/tag-facts.js';
export { readMediaMetadata } from './metadata/media-metadata.js';

// Digests of the bytes, and perceptual hashes of pictures.

export { fileDigests } from './hash/digests.js';
export { HASH_SIDE, hashesOf, imageHashes, type PerceptualHashes } from './hash/perceptual.js';

// Limits for other programs.

export { limitedCommand } from './process/limits.js';
