/** The filters of `store list` and `store search`. */
import { count, integer, type Leaf } from '../command.js';
import type { Context } from '../context.js';
import { moment } from '../moment.js';
import { parentId } from '../targets.js';
import { digest, mimeType, size } from '../values.js';

/** The kinds of media that the store distinguishes. */
export const MEDIA_TYPES = ['image', 'video', 'audio', 'text', 'file'] as const;

export interface FilterOptions {
  readonly search?: string;
  readonly type?: string;
  readonly mimeType?: string;
  readonly parent?: string;
  readonly collections?: boolean;
  readonly media?: boolean;
  readonly deleted?: boolean;
  readonly trash?: boolean;
  readonly md5?: string;
  readonly sha256?: string;
  readonly width?: number;
  readonly height?: number;
  readonly minSize?: number;
  readonly maxSize?: number;
  readonly from?: string;
  readonly to?: string;
  readonly version?: number;
}

export const filtersOf = async (context: Context, options: FilterOptions) => ({
  search_query: options.search,
  type: options.type,
  mime_type: options.mimeType,
  // The server lists what is outside of all collections under the id 0.
  parent_id: options.parent === undefined ? undefined : ((await parentId(context, options.parent)) ?? 0),
  is_collection: options.collections ? true : options.media ? false : undefined,
  exclude_deleted: !options.deleted && !options.trash,
  only_deleted: options.trash,
  md5: options.md5,
  sha256: options.sha256,
  width: options.width,
  height: options.height,
  file_size_min: options.minSize,
  file_size_max: options.maxSize,
  date_from: moment('from', options.from),
  date_to: moment('to', options.to),
  version: options.version,
});

export const addFilters = <Args extends readonly unknown[], T extends object>(leaf: Leaf<Args, T>) =>
  leaf
    .option('--page <n>', 'page number (default: 1)', count)
    .option('--page-size <n>', 'items per page, at most 100 (default: 20)', count)
    .option('--all', 'list all pages')
    .choice('--type <type>', 'only this type', MEDIA_TYPES)
    .option('--mime-type <type>', 'only this exact media type, e.g. image/jpeg', mimeType)
    .option(
      '--parent <collection>',
      'only items in this collection: its id, name or path; 0 for outside of collections',
    )
    .option('--collections', 'only collections')
    .option('--media', 'only media files')
    .option('--deleted', 'include items in the trash')
    .option('--trash', 'only items in the trash')
    .option('--md5 <digest>', 'only the file with this digest', digest(32))
    .option('--sha256 <digest>', 'only the file with this digest', digest(64))
    .option('--width <px>', 'only this exact width', integer)
    .option('--height <px>', 'only this exact height', integer)
    .option('--min-size <size>', 'only files of at least this size, e.g. 5MB', size)
    .option('--max-size <size>', 'only files of at most this size', size)
    .option('--from <date>', 'added on or after: 2026-01-31, yesterday, or 7d for the last 7 days')
    .option('--to <date>', 'added on or before')
    .option('--version <n>', 'show this version of each item', integer);
