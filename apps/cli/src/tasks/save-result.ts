import { promises as fsp } from 'node:fs';
import path from 'node:path';
import type { Job, JobsClient } from '@cl-server/client';
import { CliError } from '../exit-codes.js';

export interface SaveOptions {
  readonly signal: AbortSignal;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** Path of a job's one result file, relative to the job. */
export const resultFile = (job: Job): string | undefined =>
  text(job.task_output?.output_path) ?? text(job.params.output_path);

/** A name from a server, made harmless: it stays within the folder. */
function within(folder: string, name: string): string {
  const file = path.resolve(folder, name);
  if (file !== path.resolve(folder) && file.startsWith(path.resolve(folder) + path.sep)) return file;
  throw new CliError(`The server names a file outside of the folder: ${name}`);
}

/** Files that a playlist refers to. */
const playlistFiles = (playlist: string): string[] => [
  ...playlist.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#')),
  ...[...playlist.matchAll(/URI="([^"]+)"/g)].map((match) => match[1] as string),
];

/** A whole stream: the master playlist, its variants, every segment. */
async function saveStream(jobs: JobsClient, job: Job, master: string, folder: string, options: SaveOptions) {
  const base = path.posix.dirname(master);
  const todo = [path.posix.basename(master)];
  const seen = new Set(todo);
  for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
    const dest = within(folder, name);
    await jobs.download(job.job_id, path.posix.join(base, name), dest, options);
    if (!name.endsWith('.m3u8')) continue;
    for (const line of playlistFiles(await fsp.readFile(dest, 'utf8'))) {
      const next = path.posix.join(path.posix.dirname(name), line.split('?', 1)[0] as string);
      if (/^[a-z]+:/i.test(line) || seen.has(next)) continue;
      seen.add(next);
      todo.push(next);
    }
  }
  return folder;
}

async function saveFaces(jobs: JobsClient, job: Job, files: readonly string[], folder: string, options: SaveOptions) {
  await fsp.mkdir(folder, { recursive: true });
  for (const file of files) await jobs.download(job.job_id, file, within(folder, path.posix.basename(file)), options);
  return folder;
}

/**
 * Saves what a job made: its result file; a folder of face crops; a whole stream; or, of a task without files, its
 * output as JSON.
 * @returns where it is
 */
export async function saveResult(jobs: JobsClient, job: Job, dest: string, options: SaveOptions): Promise<string> {
  const output = job.task_output ?? {};
  const master = text(output.master_playlist);
  if (master) {
    const known = text(job.params.output_path);
    const file = master.includes('/') || !known ? master : path.posix.join(known, master);
    return saveStream(jobs, job, file, dest, options);
  }
  if (Array.isArray(output.faces) && !resultFile(job)) {
    const files = (output.faces as { file_path?: unknown }[]).flatMap((face) => text(face.file_path) ?? []);
    return saveFaces(jobs, job, files, dest, options);
  }
  const file = resultFile(job);
  if (file) return (await jobs.download(job.job_id, file, dest, options)).path;
  await fsp.mkdir(path.dirname(dest), { recursive: true });
  await fsp.writeFile(dest, `${JSON.stringify(output, null, 2)}\n`);
  return dest;
}

/** Ending of the file that holds what a job made. */
export function resultExtension(job: Job): string {
  const output = job.task_output ?? {};
  if (output.master_playlist || (Array.isArray(output.faces) && !resultFile(job))) return '';
  const file = resultFile(job);
  return file ? path.posix.extname(file) : '.json';
}
