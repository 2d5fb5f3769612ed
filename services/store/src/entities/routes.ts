import {
  createEntity,
  deleteEntity,
  diffVersions,
  getEntity,
  getMetadata,
  listEntities,
  listVersions,
  lookupEntity,
  patchEntity,
  replaceEntity,
  restoreVersion,
} from '@cl-server/contract';
import { Answer, type App, badRequest, type ReceivedFile } from '@cl-server/service-kit';
import type { UserOf } from '../access/rights.js';
import type { EntityLister } from './listing/lister.js';
import type { EntityReader } from './reader.js';
import type { EntityService } from './service.js';
import { differences } from './view.js';

export interface EntityRoutesOptions {
  readonly entities: EntityService;
  readonly reader: EntityReader;
  readonly lister: EntityLister;
  readonly userOf: UserOf;
}

/** `media_file` takes precedence over its earlier name. The empty file field of a browser is not a file. */
const uploadOf = (files: readonly ReceivedFile[]): ReceivedFile | undefined => {
  const given = files.filter(({ size, filename }) => size > 0 || filename !== '');
  return given.findLast(({ field }) => field === 'media_file') ?? given.findLast(({ field }) => field === 'image');
};

export function serveEntities(app: App, { entities, reader, lister, userOf }: EntityRoutesOptions): void {
  app.handle(listEntities, ({ query }) => lister.list(query));

  app.handle(lookupEntity, async ({ query }) => {
    if (query.md5 === undefined && query.sha256 === undefined && query.label === undefined)
      throw badRequest('Must provide either md5 or label parameter');
    return reader.view(await reader.lookup(query));
  });

  app.handle(createEntity, async ({ form, files, user }) => {
    const { row, isNew } = await entities.create(userOf(user), form, uploadOf(files));
    const view = await reader.view(row);
    return new Answer(isNew ? 201 : 200, view);
  });

  app.handle(getEntity, async ({ params, query }) => {
    return reader.view(await reader.row(params.entity_id, query.version));
  });

  app.handle(replaceEntity, async ({ params, form, files, user }) =>
    reader.view(await entities.replace(userOf(user), params.entity_id, form, uploadOf(files))),
  );

  app.handle(patchEntity, async ({ params, form, user }) =>
    reader.view(await entities.patch(userOf(user), params.entity_id, form)),
  );

  app.handle(deleteEntity, async ({ params, user }) => {
    await entities.remove(userOf(user), params.entity_id);
  });

  app.handle(getMetadata, async ({ params, query }) => reader.metadata(params.entity_id, query.version));

  app.handle(listVersions, ({ params, query }) => reader.versions(params.entity_id, query.after, query.limit));

  app.handle(diffVersions, async ({ params, query }) => {
    const { entity_id } = params;
    const to = query.to ?? (await reader.row(entity_id)).version;
    const [before, after] = await Promise.all([reader.row(entity_id, query.from), reader.row(entity_id, to)]);
    return { entity_id, from_version: query.from, to_version: to, changes: differences(before, after) };
  });

  app.handle(restoreVersion, async ({ params, user }) =>
    reader.view(await entities.restore(userOf(user), params.entity_id, params.version)),
  );
}
