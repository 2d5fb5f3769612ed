/** Descriptions of the groups of endpoints in the API documents. */
export const TAGS: Readonly<Record<string, string>> = {
  admin: 'Preferences, storage and clean-up, for admins.',
  audit: 'The record of logins and of changes to users.',
  auth: 'Logging in, tokens and the keys that verify them.',
  compute: 'Tasks and the workers that run them.',
  entity: 'Media and collections: upload, list, change, move to the trash, delete.',
  intelligence: 'Insights of entities: their state, faces, embeddings.',
  job: 'Jobs: create, list, follow, cancel, retry, and their files.',
  media: 'The files of entities: originals, previews, streams, signed URLs.',
  persons: 'Persons that were recognised in pictures, and their faces.',
  search: 'Search by picture, text or face, and near duplicates.',
  store: 'The store itself.',
  system: 'Liveness, readiness, metrics and maintenance.',
  upload: 'Resumable uploads by the tus protocol.',
  users: 'Accounts and their permissions.',
  version: 'Earlier versions of entities.',
};
