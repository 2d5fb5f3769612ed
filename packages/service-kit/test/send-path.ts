import fs from 'node:fs/promises';
import path from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { openedFile, sendOpenFile } from '../src/http/send-file.js';

/** Answers with a file of a test. */
export async function sendPath(
  request: FastifyRequest,
  reply: FastifyReply,
  file: string,
  contentType: string,
): Promise<FastifyReply> {
  const handle = await fs.open(file);
  const { size, mtimeMs } = await handle.stat();
  return sendOpenFile(request, reply, openedFile(handle, size, mtimeMs), { contentType, name: path.basename(file) });
}
