import { createHash } from 'node:crypto';
import { promises as fsp } from 'node:fs';
import path from 'node:path';
import { FileError } from '../errors.js';
import type { FileSink } from '../files/sink.js';

type Handle = Awaited<ReturnType<typeof fsp.open>>;

const failed = (dest: string) => (cause: unknown) => {
  throw new FileError(`${dest} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
  });
};

/**
 * Writes beside the destination and renames at the end. The unfinished file's name carries a digest of the ETag: other
 * content never continues it, and a later call finds it.
 */
export function fileSink(dest: string): FileSink {
  const folder = path.dirname(dest);
  const partOf = (etag: string | undefined): string => {
    const mark =
      etag === undefined ? crypto.randomUUID() : createHash('sha256').update(etag).digest('hex').slice(0, 16);
    return path.join(folder, `.${path.basename(dest).slice(0, 180)}.${mark}.part`);
  };
  let handle: Handle | undefined;
  let part = '';
  let position = 0;
  let resumable = false;
  return {
    resumeAt: async (etag) => {
      const stat = await fsp.stat(partOf(etag)).catch(() => undefined);
      return stat?.isFile() ? stat.size : 0;
    },
    begin: async (offset, etag) => {
      await handle?.close();
      if (part !== '' && part !== partOf(etag)) await fsp.rm(part, { force: true });
      if (part === '' || etag !== undefined) part = partOf(etag);
      resumable = etag !== undefined;
      if ((await fsp.stat(dest).catch(() => undefined))?.isDirectory()) throw new FileError(`${dest}: it is a folder`);
      await fsp.mkdir(folder, { recursive: true }).catch(failed(dest));
      handle = await fsp.open(part, offset > 0 ? 'r+' : 'w').catch(failed(dest));
      await handle?.truncate(offset);
      position = offset;
    },
    write: async (chunk) => {
      for (let rest = chunk; rest.byteLength > 0; ) {
        const { bytesWritten = 0 } =
          (await handle?.write(rest, 0, rest.byteLength, position).catch(failed(dest))) ?? {};
        position += bytesWritten;
        rest = rest.subarray(bytesWritten);
      }
    },
    commit: async () => {
      await handle?.sync();
      await handle?.close();
      handle = undefined;
      try {
        await fsp.rename(part, dest);
      } catch (error) {
        // The destination cannot be had: whole as it is, nobody will continue it.
        await fsp.rm(part, { force: true }).catch(() => undefined);
        failed(dest)(error);
      }
    },
    suspend: async () => {
      await handle?.close().catch(() => undefined);
      handle = undefined;
      if (part !== '' && (!resumable || position === 0)) await fsp.rm(part, { force: true }).catch(() => undefined);
    },
  };
}
