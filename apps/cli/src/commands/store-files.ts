import path from 'node:path';
import type { Command } from 'commander';
import { count, group, idOf, integer, leafMaker } from '../command.js';
import type { Context } from '../context.js';
import { destination } from '../files/destination.js';
import type { UploadCommandOptions } from '../files/upload.js';
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
  // A name from the server must not lead anywhere else.
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

/** Adds the commands that move bytes to the `store` group. */
export function registerStoreFiles(store: Command, world: World): void {
  const leaf = leafMaker(store, world);
  leaf('upload <files...>', 'Add files; folders with --recursive. What the server has already is not sent')
    .option('--label <label>', 'label of the file (default: its name, in a folder its path)')
    .option('--description <text>', 'description')
    .option('--parent <id>', 'into this collection', integer)
    .formerly('--parent-id <id>', 'parent', integer)
    .option('-r, --recursive', 'all that is in folders')
    .option('--all-types', 'of folders, also files that are no media')
    .option('-c, --concurrency <n>', 'files at once (default: 4)', count)
    .option('--chunked-from <MB>', 'send files from this size on in pieces, resumably (default: 64)', integer)
    .option('-y, --yes', 'nothing is asked, said or not')
    .option('--dry-run', 'only say what would be sent')
    .does<[string[]], UploadCommandOptions>(async (context, args, options) => {
      const { uploadFiles } = await import('../files/upload.js');
      await uploadFiles(context, args, options);
    });
  leaf('download <id>', 'Download the file')
    .option('-o, --output <path>', 'where to; - for standard output (default: its own name)')
    .option('--version <n>', 'the file as it was in this version', integer)
    .does(download);
  leaf('preview <id>', 'Download the small picture')
    .option('-o, --output <path>', 'where to; - for standard output')
    .option('--force', 'make it anew')
    .does(preview);
  leaf('stream <id>', 'Address of the HLS stream; made if it is not there')
    .option('--playlist', 'print the playlist instead')
    .option('--file <name>', 'print one file of the stream instead')
    .option('--delete', 'remove the stream’s files instead')
    .does<[string], { readonly playlist?: boolean; readonly file?: string; readonly delete?: boolean }>(
      async (context, id, options) => {
        const media = await mediaOf(context);
        if (options.delete) {
          await media.deleteStream(idOf(id), context.call);
          return context.out.success(`Removed the stream of ${id}`);
        }
        if (options.file !== undefined)
          return context.out.bytes(await media.streamFile(idOf(id), options.file, context.call));
        const playlist = await media.playlist(idOf(id), context.call);
        if (options.playlist) return context.out.write(playlist);
        const url = media.streamUrl(idOf(id));
        await context.out.one(context.out.format === 'human' ? url : { url }, () => url);
      },
    );
  leaf('sign <id>', 'Addresses of media, preview and stream that need no token for a while')
    .option('--seconds <n>', 'for how long (default: 900)', integer)
    .does<[string], { readonly seconds?: number }>(async (context, id, { seconds }) => {
      const signed = await (await mediaOf(context)).signedUrls(idOf(id), seconds, context.call);
      await context.out.one(signed, ({ media }) => media);
    });
  leafMaker(group(store, 'uploads', 'Uploads in pieces'), world)('drop <url>', 'Give up an upload').does<
    [string],
    object
  >(async (context, url) => {
    await (await context.platform()).store.entities.dropUpload(url, context.call);
    context.out.success('Given up');
  });
}
