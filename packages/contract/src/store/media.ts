/** Endpoints that deliver bytes (media, previews, streams), signed URLs for them, and resumable uploads. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from '../http/endpoint.js';
import { field } from '../http/field.js';
import { entity, signedUrls } from './entity.js';
import { composedText, entityParams, MAX_DESCRIPTION, MAX_LABEL } from './fields.js';

const bytes = (content: string) => ({
  200: { description: 'The bytes', content },
  206: { description: 'The requested part of the bytes', content },
  304: { description: 'Not modified' },
  400: { description: 'A collection has no bytes' },
  404: { description: 'The entity or file does not exist' },
  416: { description: 'The file does not have this range' },
});

export const getMedia = endpoint({
  id: 'get_entity_media',
  method: 'GET',
  path: '/entities/{entity_id}/media',
  guard: 'media',
  tag: 'media',
  summary: 'Download the file. Supports `Range`, `If-None-Match`, `If-Range` and HEAD',
  params: entityParams,
  query: z.object({
    version: field.int().optional().describe('The file of this version'),
    inline: field.bool().default(false).describe('Show it in a browser instead of saving it'),
  }),
  responses: bytes('application/octet-stream'),
});

export const getPreview = endpoint({
  id: 'get_entity_preview',
  method: 'GET',
  path: '/entities/{entity_id}/preview',
  guard: 'media',
  tag: 'media',
  summary: 'Preview of an image or a video: a small upright PNG, made once',
  params: entityParams,
  query: z.object({
    version: field.int().optional().describe('Preview of the file of this version'),
    force: field.bool().default(false).describe('Make the preview again'),
  }),
  responses: {
    ...bytes('image/png'),
    422: { description: 'There is no preview: the file is damaged, or files of its kind have none' },
  },
});

export const getStreamManifest = endpoint({
  id: 'get_entity_stream',
  method: 'GET',
  path: '/entities/{entity_id}/stream/adaptive.m3u8',
  guard: 'media',
  tag: 'media',
  summary: 'HLS playlist of a video, made on demand; 202 while it is being made',
  params: entityParams,
  query: z.object({ wait: field.bool().default(false).describe('Wait up to 30 s for the first segments') }),
  responses: {
    200: { description: 'The playlist', content: 'application/vnd.apple.mpegurl' },
    202: {
      description: 'The stream is being made: send the request again later',
      schema: z.object({
        detail: z.literal('hls_generating'),
        reason: z.string().optional().describe('The reason for the delay, if known'),
      }),
    },
    404: {
      description:
        '`hls_failed`: the entity does not exist or is not a video, or its stream could not be made. `reason` says why; a request after `Retry-After` tries again',
    },
    503: { description: 'Too many streams are waiting to be made' },
  },
});

export const getStreamFile = endpoint({
  id: 'get_entity_stream_file',
  method: 'GET',
  path: '/entities/{entity_id}/stream/{filename}',
  guard: 'media',
  tag: 'media',
  summary: 'A variant playlist or segment of the stream',
  params: entityParams.extend({ filename: z.string().max(255) }),
  responses: bytes('application/octet-stream'),
});

export const deleteStream = endpoint({
  id: 'delete_entity_stream',
  method: 'DELETE',
  path: '/entities/{entity_id}/stream',
  guard: 'write',
  tag: 'media',
  summary: 'Delete the stream’s files; the next request makes them again',
  params: entityParams,
  responses: { 204: { description: 'Deleted' }, 404: { description: 'The entity does not exist' } },
});

export const signUrls = endpoint({
  id: 'sign_entity_urls',
  method: 'POST',
  path: '/entities/{entity_id}/signed-urls',
  guard: 'read',
  tag: 'media',
  summary: 'Sign temporary paths to media, preview and stream that need no token, for `<img>` and `<video>`',
  params: entityParams,
  form: z.object({ expires_in: field.int({ ge: 10, le: 86_400 }).default(900).describe('Seconds') }),
  responses: {
    200: { description: 'The paths', schema: signedUrls },
    404: { description: 'The entity does not exist' },
  },
});

/** Path of resumable uploads by the tus protocol, version 1.0.0. */
export const UPLOADS_PATH = '/uploads';

/** The `Upload-Metadata` of a resumable upload; each value is encoded in Base64. */
export const uploadMetadata = z.object({
  filename: field.text({ max: 4_000 }).optional(),
  label: composedText({ max: MAX_LABEL }).optional(),
  description: composedText({ max: MAX_DESCRIPTION }).optional(),
  parent_id: field.int().optional(),
});
export type UploadMetadata = z.infer<typeof uploadMetadata>;

const uploadParams = z.object({ upload_id: z.string().max(200) });

export const createUpload = endpoint({
  id: 'create_upload',
  method: 'POST',
  path: UPLOADS_PATH,
  guard: 'write',
  tag: 'upload',
  summary:
    'Start a resumable upload (tus): `Upload-Length`, and `Upload-Metadata` with filename, label, description, parent_id. The request may already contain the first bytes',
  responses: {
    201: {
      description:
        'The upload has started; send the bytes to `Location`. If the request contained all bytes, the body is the new entity',
      schema: entity.optional(),
    },
    200: { description: 'The request contained all bytes, and this entity already has the same bytes', schema: entity },
    412: { description: 'The version of the tus protocol is not supported' },
    413: { description: 'The file is too large' },
    422: { description: 'The metadata is invalid' },
    429: { description: 'Too many of your uploads are unfinished; retry after the time in `Retry-After`' },
    507: { description: 'The server has no space left' },
  },
});

export const appendUpload = endpoint({
  id: 'append_upload',
  method: 'PATCH',
  path: `${UPLOADS_PATH}/{upload_id}`,
  guard: 'write',
  tag: 'upload',
  summary: 'Send the next bytes (tus). After the last bytes, the answer is the entity, as for `POST /entities`',
  params: uploadParams,
  responses: {
    204: { description: 'Received; `Upload-Offset` is the number of bytes received so far' },
    200: { description: 'All bytes are received, and this entity already has the same bytes', schema: entity },
    201: { description: 'All bytes are received; the new entity', schema: entity },
    404: { description: 'The upload does not exist' },
    410: { description: 'The upload was deleted in the meantime' },
    412: { description: 'The version of the tus protocol is not supported' },
    423: { description: 'Another request is writing to this upload: use HEAD to get the current offset' },
    413: { description: 'The request contains more bytes than were announced' },
    415: { description: 'The `Content-Type` is not `application/offset+octet-stream`' },
    422: { description: 'The entity was refused, and the upload was deleted' },
    409: { description: '`Upload-Offset` is not the current offset of the upload' },
  },
});

export const dropUpload = endpoint({
  id: 'drop_upload',
  method: 'DELETE',
  path: `${UPLOADS_PATH}/{upload_id}`,
  guard: 'write',
  tag: 'upload',
  summary: 'Abort a resumable upload (tus) or remove a finished one; its entity stays',
  params: uploadParams,
  responses: {
    204: { description: 'Deleted' },
    404: { description: 'The upload does not exist' },
    412: { description: 'The version of the tus protocol is not supported' },
  },
});

export const mediaEndpoints: readonly AnyEndpoint[] = [
  getMedia,
  getPreview,
  getStreamManifest,
  getStreamFile,
  deleteStream,
  signUrls,
  createUpload,
  appendUpload,
  dropUpload,
];
