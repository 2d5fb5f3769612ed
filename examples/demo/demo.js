// The platform's main purpose, end to end: `npm run demo`. Uploads a photo and a video, lets workers read metadata, compute hashes
// and make thumbnails, shows the progress live, and prints where to look. With `--exit` it ends by itself.
//
// It starts its own platform in a separate folder; with ADMIN_PASSWORD it uses the one that is running.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { usePlatform } from './platform.js';
import { makeSamples } from './samples.js';

const folder = path.join(os.tmpdir(), 'cl-server-demo');
const say = (text = '') => process.stdout.write(`${text}\n`);
const row = (name, value) => say(`    ${name.padEnd(14)}${value}`);

/** Follows a job and prints a line for each reported step. */
async function follow(name, job) {
  for await (const { state, progress } of job.events()) say(`    ${name.padEnd(14)}${state} ${progress} %`);
  return job.output;
}

async function showPhoto({ cl }, photo) {
  say(`\nUploading ${photo}`);
  const { entity, created } = await cl.store.entities.upload(photo, { label: 'Mountains' });
  row('entity', `${entity.id}${created ? '' : ' (the same content was uploaded before)'}`);
  row('file', `${entity.mime_type}, ${entity.width} × ${entity.height}, ${entity.file_size} bytes`);

  say('\nA worker reads its metadata');
  const exif = await follow('exif', cl.compute.exif.extract(photo));
  row('camera', `${exif.make} ${exif.model}`);
  row('place', `${exif.gps_latitude}, ${exif.gps_longitude}`);

  say('\nA worker computes its digests and perceptual hashes');
  const hash = await follow('hash', cl.compute.hash.compute(photo));
  row('sha256', hash.sha256);
  row('phash', hash.phash);
  return entity;
}

async function makeThumbnail({ cl }, file, target) {
  const job = cl.compute.mediaThumbnail.generate(file, { width: 320 });
  await follow('thumbnail', job);
  const { params } = await job;
  await job.download(String(params.output_path), target);
  row('written to', target);
}

function whereToLook({ cl, own }, entity) {
  say('\nAddresses');
  row('thumbnails', folder);
  row('entity', `${cl.urls.store}/entities/${entity.id}`);
  row('its file', `${cl.urls.store}/entities/${entity.id}/media`);
  row('API', `${cl.urls.store}/docs  ${cl.urls.compute}/docs  ${cl.urls.auth}/docs`);
  if (own) row('data', path.join(folder, 'data'));
}

const untilInterrupted = () => new Promise((resolve) => process.once('SIGINT', resolve));

const { photo, video } = await makeSamples(path.join(folder, 'samples'));
say('Starting a platform …');
const platform = await usePlatform(path.join(folder, 'data'), process.env);
try {
  const entity = await showPhoto(platform, photo);
  say('\nA worker makes thumbnails');
  await makeThumbnail(platform, photo, path.join(folder, 'mountains-thumbnail.jpg'));
  await makeThumbnail(platform, video, path.join(folder, 'test-card-thumbnail.jpg'));
  whereToLook(platform, entity);
  if (platform.own && !process.argv.includes('--exit')) {
    say('\nThe platform runs until you press Ctrl-C.');
    await untilInterrupted();
  }
} finally {
  await platform.stop();
  if (platform.own) fs.rmSync(path.join(folder, 'data'), { recursive: true, force: true });
}
