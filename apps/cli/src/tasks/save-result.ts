import { promises as fsp } from 'node:fs';
import path from 'node:path';
import type { Job, JobsClient } from '@cl-server/client';
import { CliError } from '../exit-codes.js';

export interface SaveOptions {
  readonly signal: AbortSignal;
  /** Makes sure that a file may be written. */
  readonly claim: (file: string) => Promise<void>;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** The path of a job's single result file, relative to the job. */
export const resultFile = (job: Job): string | undefined =>
  text(job.task_output?.output_path) ?? text(job.params.output_path);

/** Makes a file name from the server safe: it must stay within the folder. */
function within(folder: string, name: string): string {
  const file = path.resolve(folder, name);
  if (file !== path.resolve(folder) && file.startsWith(path.resolve(folder) + path.sep)) return file;
  throw new CliError(`The server names a file outside of the folder: ${name}`);
}

/** The files that a playlist refers to. */
const playlistFiles = (playlist: string): string[] => [
  ...playlist.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#')),
  ...[...playlist.matchAll(/URI="([^"]+)"/g)].map((match) => match[1] as string),
];

/** Downloads a whole stream: the master playlist, its variants, and every segment. */
async function saveStream(jobs: JobsClient, job: Job, master: string, folder: string, options: SaveOptions) {
  const base = path.posix.dirname(master);
  const waiting = [path.posix.basename(master)];
  const seen = new Set(waiting);
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const dest = within(folder, name);
    await options.claim(dest);
    await jobs.download(job.job_id, path.posix.join(base, name), dest, options);
    if (!name.endsWith('.m3u8')) continue;
    for (const line of playlistFiles(await fsp.readFile(dest, 'utf8'))) {
      const next = path.posix.join(path.posix.dirname(name), line.split('?', 1)[0] as string);
      if (/^[a-z]+:/i.test(line) || seen.has(next)) continue;
      seen.add(next);
      waiting.push(next);
    }
  }
  return folder;
}

interface FaceFiles {
  /** The path of a cropped face. */
  readonly file_path?: unknown;
  /** The path of a vector. */
  readonly embedding_path?: unknown;
}

/** Saves what a job found about several faces: a crop and a vector of each, and the output of the job as JSON. */
async function saveFaces(
  jobs: JobsClient,
  job: Job,
  faces: readonly FaceFiles[],
  folder: string,
  options: SaveOptions,
) {
  const files = faces
    .flatMap((face) => [text(face.file_path) ?? [], text(face.embedding_path) ?? []].flat())
    .map((file) => ({ file, dest: within(folder, path.posix.basename(file)) }));
  for (const { dest } of files) await options.claim(dest);
  await saveJson(job, path.join(folder, 'faces.json'), options);
  for (const { file, dest } of files) await jobs.download(job.job_id, file, dest, options);
  return folder;
}

async function saveJson(job: Job, dest: string, options: SaveOptions): Promise<string> {
  await options.claim(dest);
  await fsp.mkdir(path.dirname(dest), { recursive: true });
  await fsp.writeFile(dest, `${JSON.stringify(job.task_output ?? {}, null, 2)}\n`);
  return dest;
}

interface Sheet {
  readonly output_path?: unknown;
  readonly index_path?: unknown;
}

/** Saves the sheet of frames of a video beside its thumbnail, with the index that names the sheet. */
async function saveSheet(
  jobs: JobsClient,
  job: Job,
  sheet: Sheet,
  beside: string,
  options: SaveOptions,
): Promise<void> {
  const [picture, index] = [text(sheet.output_path), text(sheet.index_path)];
  if (!picture || !index) return;
  const { dir, name } = path.parse(beside);
  const dest = path.join(dir, `${name}.sheet${path.posix.extname(picture)}`);
  const vttFile = path.join(dir, `${name}.sheet.vtt`);
  for (const file of [dest, vttFile]) await options.claim(file);
  await jobs.download(job.job_id, picture, dest, options);
  const vtt = new TextDecoder().decode(await jobs.bytes(job.job_id, index, options));
  const renamed = vtt.replaceAll(`${path.posix.basename(picture)}#`, `${path.basename(dest)}#`);
  await fsp.writeFile(vttFile, renamed);
}

/** The faces of a job that detected faces, which are saved in a folder. */
const facesOf = ({ task_output }: Job): readonly FaceFiles[] | undefined =>
  Array.isArray(task_output?.faces) ? (task_output.faces as FaceFiles[]) : undefined;

/**
 * Saves the result of a job: its result file, with the sheet of a video beside it; a folder of faces; a whole stream; or, if
 * the task makes no files, its output as JSON.
 * @returns the path
 */
export async function saveResult(jobs: JobsClient, job: Job, dest: string, options: SaveOptions): Promise<string> {
  const output = job.task_output ?? {};
  const master = text(output.master_playlist);
  if (master) {
    const known = text(job.params.output_path);
    const file = master.includes('/') || !known ? master : path.posix.join(known, master);
    return saveStream(jobs, job, file, dest, options);
  }
  const faces = facesOf(job);
  if (faces) return saveFaces(jobs, job, faces, dest, options);
  const file = resultFile(job);
  if (!file) return saveJson(job, dest, options);
  await options.claim(dest);
  const saved = await jobs.download(job.job_id, file, dest, options);
  if (typeof output.sheet === 'object' && output.sheet !== null)
    await saveSheet(jobs, job, output.sheet, saved.path, options);
  return saved.path;
}

/** The extension of the file that holds the result of a job; empty for a folder. */
export function resultExtension(job: Job): string {
  if (job.task_output?.master_playlist || facesOf(job)) return '';
  const file = resultFile(job);
  return file ? path.posix.extname(file) : '.json';
}
