import path from 'node:path';
import type { Command } from 'commander';
import { count, group, idOf, integer, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { destination } from '../files/destination.js';
import { byteBar, bytesText } from '../io/progress.js';
import type { World } from '../world.js';

const mediaOf = async (context: Context) => (await context.platform()).store.media;

interface DownloadOptions {
  readonly output?: string;
  readonly version?: number;
  readonly force?: boolean;
}

async function download(context: Context, id: string, { output, version }: DownloadOptions): Promise<void> {
  const { store } = await context.platform();
  if (output === '-') {
    for await (const chunk of await store.media.stream(idOf(id), { ...context.call, version }))
      await context.out.bytes(chunk);
    return;
  }
  const entity = await store.entities.get(idOf(id), context.call);
  // A name from the server must not lead out of the folder.
  const name = path.basename(entity.file_name ?? '') || `${entity.id}.${entity.extension ?? 'bin'}`;
  const bar = await byteBar(context.out, entity.file_size ?? 1, name);
  try {
    const saved = await store.media.download(entity.id, await destination(output ?? '.', name), {
      ...context.call,
      version,
      onProgress: ({ loaded }) => bar.update(loaded),
    });
    bar.stop();
    if (context.out.format === 'human') context.out.success(`${saved.path} (${bytesText(saved.size)})`);
    else await context.out.one(saved, () => saved.path);
  } finally {
    bar.stop();
  }
}

async function preview(context: Context, id: string, { output, force = false }: DownloadOptions): Promise<void> {
  const media = await mediaOf(context);
  if (output === '-') return context.out.bytes(await media.preview(idOf(id), { ...context.call, force }));
  const saved = await media.downloadPreview(idOf(id), await destination(output ?? '.', `${id}.preview.png`), {
    ...context.call,
    force,
  });
  if (context.out.format === 'human') context.out.success(saved.path);
  else await context.out.one(saved, () => saved.path);
}

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
  leaf('download <id>', 'Download the file of an entity')
    .option('-o, --output <path>', 'path of the saved file, - for standard output (default: its own name)')
    .option('--version <n>', 'file of this version', integer)
    .run(download);
  leaf('preview <id>', 'Download the preview of an entity')
    .option('-o, --output <path>', 'path of the saved file, - for standard output')
    .option('--force', 'create the preview again')
    .run(preview);
  leaf('stream <id>', 'Print the address of the HLS stream, creating it if needed')
    .option('--playlist', 'print the playlist instead')
    .option('--file <name>', 'print one file of the stream instead')
    .option('--delete', 'delete the files of the stream instead')
    .run(async (context, id, options) => {
      const media = await mediaOf(context);
      if (options.delete) {
        await media.deleteStream(idOf(id), context.call);
        return context.out.success(`Deleted the stream of ${id}`);
      }
      if (options.file !== undefined)
        return context.out.bytes(await media.streamFile(idOf(id), options.file, context.call));
      const playlist = await media.playlist(idOf(id), context.call);
      if (options.playlist) return context.out.write(playlist);
      const url = media.streamUrl(idOf(id));
      await context.out.one(context.out.format === 'human' ? url : { url }, () => url);
    });
  leaf('sign <id>', 'Print temporary signed URLs of the file, preview and stream')
    .option('--seconds <n>', 'validity in seconds (default: 900)', integer)
    .run(async (context, id, { seconds }) => {
      const signed = await (await mediaOf(context)).signedUrls(idOf(id), {
        expiresInMs: seconds === undefined ? undefined : seconds * 1000,
        ...context.call,
      });
      await context.out.one(signed, ({ media }) => media);
    });
  leafMaker(group(store, 'uploads', 'Resumable uploads'), world)('drop <url>', 'Abandon an upload').run(
    async (context, url) => {
      await (await context.platform()).store.entities.dropUpload(url, context.call);
      context.out.success('Upload abandoned');
    },
  );
}
