import type { Command } from 'commander';
import { count, group, integer, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { entityId, entityIds, forEach } from '../targets.js';
import { seconds } from '../values.js';
import { timeText } from '../views.js';
import type { World } from '../world.js';
import { registerStoreDownload } from './store-download.js';

const mediaOf = async (context: Context) => (await context.platform()).store.media;

/** Adds the commands that transfer files to the `store` group. */
export function registerStoreFiles(store: Command, world: World): void {
  const leaf = leafMaker(store, world);
  leaf('upload [files...]', 'Upload files and folders (- for standard input); files that the server has are not sent')
    .option('--parent <collection>', 'add to this collection: its id, name or path (Holidays/2024)')
    .deprecatedOption('--parent-id <id>', 'parent')
    .option('--collections', 'turn folders into collections; existing ones of the same name are used')
    .option('--move', 'also move files that are in another collection')
    .option('--label <label>', 'label of the file (default: its name, or its path in a folder)')
    .option('--description <text>', 'description of the entity')
    .option('--name <file-name>', 'file name of standard input (default: by its content)')
    .option('--files-from <list>', 'also upload the files that this file lists (- for standard input)')
    .option('--all-types', 'in folders, include files that are not media')
    .option('--dry-run', 'only show what would be uploaded')
    .option('--verbose', 'also list the files that the server already has')
    .option('-c, --concurrency <n>', 'number of simultaneous uploads (default: 4)', count)
    .option('--chunked-from <MB>', 'upload files of this size or larger in pieces, resumably (default: 64)', integer)
    .option('-r, --recursive', 'accepted for compatibility; folders always include their subfolders')
    .option('-y, --yes', 'accepted for compatibility; nothing is asked')
    .run(async (context, args, options) => {
      const { uploadFiles } = await import('../files/upload.js');
      await uploadFiles(context, args, options);
    });
  registerStoreDownload(store, world);
  leaf('stream <id>', 'Print the address of the HLS stream, creating it if needed')
    .option('--playlist', 'print the playlist instead')
    .option('--file <name>', 'print one file of the stream instead')
    .option('--delete', 'delete the files of the stream instead')
    .run(async (context, word, options) => {
      const media = await mediaOf(context);
      const id = await entityId(context, word);
      if (options.delete) {
        await media.deleteStream(id, context.call);
        return context.out.success(`Deleted the stream of ${id}`);
      }
      if (options.file !== undefined) return context.out.bytes(await media.streamFile(id, options.file, context.call));
      const playlist = await media.playlist(id, context.call);
      if (options.playlist) return context.out.write(playlist);
      const url = media.streamUrl(id);
      await context.out.one(context.out.format === 'human' ? url : { url }, () => url);
    });
  leaf('sign <ids...>', 'Print addresses of the file, preview and stream that need no login for a time')
    .option('--seconds <time>', 'validity, e.g. 900 or 2h (default: 15m)', seconds)
    .run(async (context, words, { seconds: validity }) => {
      const media = await mediaOf(context);
      const sign = (id: number) =>
        media.signedUrls(id, {
          expiresInMs: validity === undefined ? undefined : validity * 1000,
          ...context.call,
        });
      await forEach(context, await entityIds(context, words), sign, {
        view: {
          columns: [
            { title: 'Until', value: ({ expires_at }) => timeText(expires_at), whole: true },
            { title: 'File', value: ({ media: file }) => file, whole: true },
          ],
          id: ({ media: file }) => file,
        },
      });
    });
  leafMaker(group(store, 'uploads', 'Resumable uploads'), world)('drop <url>', 'Cancel an upload').run(
    async (context, url) => {
      await (await context.platform()).store.entities.dropUpload(url, context.call);
      context.out.success('Upload cancelled');
    },
  );
}
