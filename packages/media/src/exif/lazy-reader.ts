import { MediaError } from '../errors.js';
import { versionOf } from './command.js';
import type { ExifReader, ExifReaderOptions } from './reader.js';

/**
 * A reader that loads the ExifTool library when the first file is read: every service and every task process may need it,
 * and few of them do.
 */
export function createExifReader(options: ExifReaderOptions = {}): ExifReader {
  let opened: Promise<ExifReader> | undefined;
  let ended = false;
  const version = versionOf(options.exiftool);
  const open = async (): Promise<ExifReader> => {
    if (ended && !opened) throw new MediaError('cancelled', 'The metadata reader has ended');
    opened ??= import('./exiftool.js').then(({ openExifTool }) => openExifTool(options, version));
    return opened;
  };
  return {
    read: async (file, tags) => (await open()).read(file, tags),
    version,
    end: async () => {
      ended = true;
      await (await opened)?.end();
    },
  };
}
