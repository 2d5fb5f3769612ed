/** Removes facts about the server from tags. */
import path from 'node:path';
import type { RawTags } from './reader.js';

/**
 * Tags about the server's disk, not about the file. A Windows shortcut has FileAttributes of its own, in its own group.
 */
const SERVER_FACTS =
  /(^|:)(SourceFile|Directory|FilePath|FilePermissions|FileModifyDate|FileAccessDate|FileCreateDate|FileInodeChangeDate|FileUserID|FileGroupID|FileDeviceID|FileDeviceNumber|FileInodeNumber|FileHardLinks|FileBlockSize|FileBlockCount|BaseName)$|^(File:|System:)?FileAttributes$/i;

/** The value without parts that name the folder; undefined if nothing is left. */
function without(folder: string, value: unknown): unknown {
  if (typeof value === 'string') return value.includes(folder) ? undefined : value;
  if (Array.isArray(value)) return value.map((item) => without(folder, item)).filter((item) => item !== undefined);
  return typeof value === 'object' && value !== null ? tagsWithout(folder, value) : value;
}

function tagsWithout(folder: string, tags: object): RawTags {
  const kept = Object.entries(tags)
    .filter(([name]) => !SERVER_FACTS.test(name))
    .map(([name, value]) => [name, without(folder, value)] as const)
    .filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept);
}

/** Removes facts about the server from tags at any depth. @param file absolute path that was read */
export const withoutServerFacts = (tags: RawTags, file: string): RawTags => tagsWithout(path.dirname(file), tags);
