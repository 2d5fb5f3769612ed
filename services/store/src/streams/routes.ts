import path from 'node:path';
import { type BlobStore, isUnreadable } from '@cl-server/blobs';
import { deleteStream, getStreamFile, getStreamManifest, HLS_FILES } from '@cl-server/contract';
import { Answer, type App, badRequest, notFound } from '@cl-server/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Rights } from '../access/rights.js';
import type { UrlSigner } from '../access/signed-urls.js';
import type { EntityReader } from '../entities/reader.js';
import { sendBlob } from '../files/send-blob.js';
import { hlsFailed } from './failure.js';
import type { Streams } from './streams.js';

export interface StreamRoutesOptions {
  readonly reader: EntityReader;
  readonly streams: Streams;
  readonly blobs: Pick<BlobStore, 'open' | 'read'>;
  readonly signer: UrlSigner;
  readonly rights: Rights;
}

/** The maximum number of attempts to read a playlist, whose file can change between the check and the reading. */
const MAX_ATTEMPTS = 3;

/** A stream of ten hours has playlists of less than a megabyte. */
const MAX_PLAYLIST_BYTES = 16 * 1024 * 1024;

const TYPES: Readonly<Record<string, string>> = {
  '.m3u8': 'application/vnd.apple.mpegurl',
  '.ts': 'video/mp2t',
  '.m4s': 'video/iso.segment',
  '.mp4': 'video/mp4',
  '.vtt': 'text/vtt',
};

/** Adds a query to the references of a playlist, so that a player that follows them sends the signature. */
export const withQuery = (playlist: string, query: string): string =>
  playlist
    .split('\n')
    .map((line) => {
      if (line.startsWith('#')) return line.replace(/URI="([^"?]+)"/g, `URI="$1?${query}"`);
      return line.trim() === '' ? line : `${line.trim()}?${query}`;
    })
    .join('\n');

export function serveStreams(app: App, { reader, streams, blobs, signer, rights }: StreamRoutesOptions): void {
  /** Needs the permission to read or a signed URL. */
  const route = { authorize: signer.guard(app.authorize, 'stream') };
  /** A stream can be removed between the check and the reading: that is a 404. */
  const send = async (
    request: FastifyRequest,
    reply: FastifyReply,
    key: string,
    content: string | null,
    name: string,
    missing: string,
  ) => {
    const extension = path.extname(name);
    const contentType = TYPES[extension] ?? 'application/octet-stream';
    const query = extension === '.m3u8' ? signer.valid(request, 'stream', content) : undefined;
    if (query === undefined)
      return sendBlob(request, reply, { blobs, key, missing, contentType, name, disposition: 'inline' });
    const playlist = await blobs.read(key, MAX_PLAYLIST_BYTES).catch((error: unknown) => {
      throw isUnreadable(error) ? notFound(missing, { cause: error }) : error;
    });
    return reply
      .type(contentType)
      .header('cache-control', 'private, no-cache')
      .send(withQuery(playlist.toString(), query));
  };

  // A server that ends does not wait for clients that wait for a stream.
  app.fastify.addHook('preClose', async () => streams.close());

  app.handle(
    getStreamManifest,
    async ({ params, query, user, request, reply }) => {
      const row = await reader.row(params.entity_id).catch((error: unknown) => {
        throw hlsFailed('Entity not found', { cause: error });
      });
      const left = new AbortController();
      reply.raw.once('close', () => left.abort());
      for (let tries = 1; ; tries++) {
        const { key, ...more } = await streams.playlist(row, {
          preferred: rights.mayWrite(user) || rights.mayCompute(user),
          gone: query.wait ? left.signal : undefined,
        });
        if (key === undefined) return new Answer(202, { detail: 'hls_generating', ...more });
        try {
          return await send(request, reply, key, row.sha256, HLS_FILES.master, 'Stream manifest not found on disk');
        } catch (error) {
          // The playlist of a growing stream is replaced when the stream is complete: the next attempt finds the new one.
          if ((error as { status?: number }).status !== 404 || tries === MAX_ATTEMPTS) throw error;
        }
      }
    },
    route,
  );

  app.handle(
    getStreamFile,
    async ({ params, request, reply }) => {
      const { filename } = params;
      const row = await reader.row(params.entity_id);
      if (row.is_collection === 1) throw badRequest('Entity is a collection');
      if (/[/\\\0]|^\.{1,2}$/.test(filename)) throw badRequest('Invalid filename');
      return send(request, reply, await streams.fileKey(row, filename), row.sha256, filename, 'Stream file not found');
    },
    route,
  );

  app.handle(deleteStream, async ({ params }) => {
    const { sha256 } = await reader.row(params.entity_id);
    if (sha256 !== null) await streams.remove(sha256);
  });
}
