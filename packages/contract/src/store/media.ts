/** Endpoints that give bytes: media, previews, streams; signed URLs for them; resumable uploads. */
import { z } from 'zod';
import { type AnyEndpoint, endpoint } from '../http/endpoint.js';
import { field } from '../http/field.js';
import { entity, signedUrls } from './entity.js';
import { composedText, entityParams, MAX_DESCRIPTION, MAX_LABEL } from './fields.js';

const bytes = (content: string) => ({
  200: { description: 'The bytes', content },
  206: { description: 'A part of the bytes', content },
  304: { description: 'Not changed' },
  400: { description: 'A collection has no bytes' },
  404: { description: 'No such entity or file' },
  416: { description: 'No such range' },
});

export const getMedia = endpoint({
  id: 'get_entity_media',
  method: 'GET',
  path: '/entities/{entity_id}/media',
  guard: 'media',
  tag: 'media',
  summary: 'The file. Honours `Range`, `If-None-Match`, `If-Range` and HEAD',
  params: entityParams,
  query: z.object({
    version: field.int().optional().describe('The file as it was in this version'),
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
  summary: 'A small upright PNG of an image or a video, made once',
  params: entityParams,
  query: z.object({
    version: field.int().optional().describe('Of the file as it was in this version'),
    force: field.bool().default(false).describe('Make it anew'),
  }),
  responses: {
    ...bytes('image/png'),
    422: { description: 'The file cannot be shown: broken, or of no kind that has a preview' },
  },
});

export const getStreamManifest = endpoint({
  id: 'get_entity_stream',
  method: 'GET',
  path: '/entities/{entity_id}/stream/adaptive.m3u8',
  guard: 'media',
  tag: 'media',
  summary: 'HLS playlist of a video, made on demand; 202 while it is made',
  params: entityParams,
  query: z.object({ wait: field.bool().default(false).describe('Wait up to 30 s for the first segments') }),
  responses: {
    200: { description: 'The playlist', content: 'application/vnd.apple.mpegurl' },
    202: {
      description: 'It is being made: ask again',
      schema: z.object({
        detail: z.literal('hls_generating'),
        reason: z.string().optional().describe('What it waits for, where that is known'),
      }),
    },
    404: {
      description:
        '`hls_failed`: no such entity, not a video, or it could not be made. `reason` says why; after `Retry-After`, a request tries again',
    },
    503: { description: 'Too many streams wait to be made' },
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
  summary: 'Remove the stream’s files; a next request makes them anew',
  params: entityParams,
  responses: { 204: { description: 'Gone' }, 404: { description: 'No such entity' } },
});

export const signUrls = endpoint({
  id: 'sign_entity_urls',
  method: 'POST',
  path: '/entities/{entity_id}/signed-urls',
  guard: 'read',
  tag: 'media',
  summary: 'Paths to media, preview and stream that need no token for a while, for `<img>` and `<video>`',
  params: entityParams,
  form: z.object({ expires_in: field.int({ ge: 10, le: 86_400 }).default(900).describe('Seconds') }),
  responses: { 200: { description: 'The paths', schema: signedUrls }, 404: { description: 'No such entity' } },
});

/** Path of resumable uploads (tus 1.0.0). */
export const UPLOADS_PATH = '/uploads';

/** `Upload-Metadata` of a resumable upload, each value in Base64. */
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
    'Begin a resumable upload (tus): `Upload-Length`, and `Upload-Metadata` with filename, label, description, parent_id. The first bytes may come along',
  responses: {
    201: {
      description: 'Begun; `Location` is where the bytes go. The entity, if the body had all bytes',
      schema: entity.optional(),
    },
    200: { description: 'The body had all bytes: the entity that has them already', schema: entity },
    412: { description: 'Another version of the protocol' },
    413: { description: 'Too large' },
    422: { description: 'The metadata does not fit' },
    429: { description: 'Too many of your uploads are unfinished; `Retry-After` says when to come back' },
    507: { description: 'The server has no space left' },
  },
});

export const appendUpload = endpoint({
  id: 'append_upload',
  method: 'PATCH',
  path: `${UPLOADS_PATH}/{upload_id}`,
  guard: 'write',
  tag: 'upload',
  summary: 'Send the next bytes (tus). The answer to the last ones is the entity, as that of `POST /entities`',
  params: uploadParams,
  responses: {
    204: { description: 'Received; `Upload-Offset` says how far' },
    200: { description: 'All received: the entity that has these bytes already', schema: entity },
    201: { description: 'All received: the new entity', schema: entity },
    404: { description: 'No such upload' },
    410: { description: 'The upload was deleted meanwhile' },
    412: { description: 'Another version of the protocol' },
    423: { description: 'Another request has the upload: ask with HEAD where it stands' },
    413: { description: 'More bytes than were announced' },
    415: { description: 'Another type than `application/offset+octet-stream`' },
    422: { description: 'The entity was refused, and the upload is gone' },
    409: { description: '`Upload-Offset` is not where the upload stands' },
  },
});

export const dropUpload = endpoint({
  id: 'drop_upload',
  method: 'DELETE',
  path: `${UPLOADS_PATH}/{upload_id}`,
  guard: 'write',
  tag: 'upload',
  summary: 'Give up a resumable upload (tus), or forget a finished one; its entity stays',
  params: uploadParams,
  responses: {
    204: { description: 'Gone' },
    404: { description: 'No such upload' },
    412: { description: 'Another version of the protocol' },
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
