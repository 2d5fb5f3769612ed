/** The bytes of media. */
import type { BlobStore } from '@cl-server/blobs';
import { getMedia, getPreview, signUrls } from '@cl-server/contract';
import { type App, badRequest, notFound } from '@cl-server/service-kit';
import type { Rights } from '../access/rights.js';
import type { UrlSigner } from '../access/signed-urls.js';
import type { EntityReader } from '../entities/reader.js';
import type { Previews } from './previews.js';
import { sendBlob } from './send-blob.js';

export interface MediaRoutesOptions {
  readonly reader: EntityReader;
  readonly blobs: BlobStore;
  readonly previews: Previews;
  readonly signer: UrlSigner;
  readonly rights: Rights;
}

/** Types that a browser may show from this origin. Other types could contain code. */
const SHOWN = /^(image\/(?!svg)[\w.+-]+|video\/[\w.+-]+|audio\/[\w.+-]+|application\/pdf)$/;

/** Default lifetime of a signed URL in seconds. */
const DEFAULT_LIFETIME = 900;

export function serveMedia(app: App, { reader, blobs, previews, signer, rights }: MediaRoutesOptions): void {
  app.handle(
    getMedia,
    async ({ params, query, request, reply }) => {
      const row = await reader.row(params.entity_id, query.version);
      if (row.is_collection === 1) throw badRequest('Entity is a collection');
      if (row.file_path === null || row.mime_type === null || row.sha256 === null)
        throw notFound('Media file not found');
      return sendBlob(request, reply, {
        blobs,
        key: row.file_path,
        missing: 'Media file not found',
        contentType: row.mime_type,
        name: row.file_name ?? `${row.md5}.${row.extension}`,
        disposition: query.inline && SHOWN.test(row.mime_type) ? 'inline' : 'attachment',
        tag: row.sha256,
      });
    },
    { authorize: signer.guard(app.authorize, 'media') },
  );

  app.handle(
    getPreview,
    async ({ params, query, user, request, reply }) => {
      const row = await reader.row(params.entity_id, query.version);
      if (row.is_collection === 1) throw badRequest('Entity is a collection');
      // Existing clients always send `force`, so it is ignored without the permission.
      const key = await previews.of(row, query.force && rights.mayWrite(user));
      return sendBlob(request, reply, {
        blobs,
        key,
        missing: 'Preview file not found',
        contentType: 'image/png',
        name: `${row.md5}.tb.png`,
        disposition: 'inline',
      });
    },
    { authorize: signer.guard(app.authorize, 'preview') },
  );

  app.handle(signUrls, async ({ params, form, user }) => {
    const row = await reader.row(params.entity_id);
    return signer.sign(row, user, form?.expires_in ?? DEFAULT_LIFETIME);
  });
}
