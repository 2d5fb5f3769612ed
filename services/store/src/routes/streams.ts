import fs from 'node:fs/promises';
import path from 'node:path';
import { deleteStream, getStreamFile, getStreamManifest, HLS_FILES } from '@cl-server/contract';
import { Answer, type App, badRequest, notFound, sendFile } from '@cl-server/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { EntityReader } from '../entities/reader.js';
import type { Streams } from '../files/streams.js';
import type { Rights } from '../rights.js';
import type { UrlSigner } from '../signed-urls.js';
import { hlsFailed } from '../streams/failure.js';

export interface StreamRoutesOptions {
  readonly reader: EntityReader;
  readonly streams: Streams;
  readonly signer: UrlSigner;
  readonly rights: Rights;
}

/** A playlist can change its file between the look and the reading so many times at most. */
const LOOKS = 3;

const TYPES: Readonly<Record<string, string>> = {
  '.m3u8': 'application/vnd.apple.mpegurl',
  '.ts': 'video/mp2t',
  '.m4s': 'video/iso.segment',
  '.mp4': 'video/mp4',
  '.vtt': 'text/vtt',
};

/** A playlist's own references with a query, so that a player that follows them brings the signature along. */
export const withQuery = (playlist: string, query: string): string =>
  playlist
    .split('\n')
    .map((line) => {
      if (line.startsWith('#')) return line.replace(/URI="([^"?]+)"/g, `URI="$1?${query}"`);
      return line.trim() === '' ? line : `${line.trim()}?${query}`;
    })
    .join('\n');

export function serveStreams(app: App, { reader, streams, signer, rights }: StreamRoutesOptions): void {
  /** Guarded as reads, or by a signed URL. */
  const route = { authorize: signer.guard(app.authorize, 'stream') };
  const read = async (request: FastifyRequest, reply: FastifyReply, file: string, name: string) => {
    const extension = path.extname(name);
    const contentType = TYPES[extension] ?? 'application/octet-stream';
    const query = extension === '.m3u8' ? signer.valid(request, 'stream') : undefined;
    if (query === undefined) return sendFile(request, reply, { path: file, contentType, name, disposition: 'inline' });
    const playlist = await fs.readFile(file, 'utf8');
    return reply.type(contentType).header('cache-control', 'private, no-cache').send(withQuery(playlist, query));
  };
  /** A stream can be removed between the look and the reading. */
  const send = (request: FastifyRequest, reply: FastifyReply, file: string, name: string, missing: string) =>
    read(request, reply, file, name).catch((error: unknown) => {
      const { status, code } = error as { status?: number; code?: string };
      throw status === 404 || code === 'ENOENT' ? notFound(missing, { cause: error }) : error;
    });

  // A server that ends does not wait for those who wait for a stream.
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
        const { file, ...more } = await streams.playlist(row, {
          preferred: rights.mayWrite(user) || rights.mayCompute(user),
          gone: query.wait ? left.signal : undefined,
        });
        if (file === undefined) return new Answer(202, { detail: 'hls_generating', ...more });
        try {
          return await send(request, reply, file, HLS_FILES.master, 'Stream manifest not found on disk');
        } catch (error) {
          // The playlist of a stream that grows is replaced when the stream is whole: the next look finds the other one.
          if ((error as { status?: number }).status !== 404 || tries === LOOKS) throw error;
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
      return send(request, reply, await streams.file(row, filename), filename, 'Stream file not found');
    },
    route,
  );

  app.handle(deleteStream, async ({ params }) => {
    const { sha256 } = await reader.row(params.entity_id);
    if (sha256 !== null) await streams.remove(sha256);
  });
}
