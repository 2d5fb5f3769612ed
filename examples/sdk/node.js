// Logs in, uploads a photo, runs a job on it, and shows the events that this causes.
//   CL_PASSWORD=… node examples/sdk/node.js [photo.jpg]
// The addresses come from AUTH_URL, STORE_URL, COMPUTE_URL and MQTT_URL; the default is a platform on this machine.
import path from 'node:path';
import { ClServer } from '@cl-server/client';

const { CL_USERNAME = 'admin', CL_PASSWORD } = process.env;
if (!CL_PASSWORD) throw new Error('set CL_PASSWORD to the password that the server printed at its first start');
const photo = process.argv[2] ?? path.join(import.meta.dirname, '../mountains.jpg');

const cl = new ClServer({ env: process.env });
await cl.session.login(CL_USERNAME, CL_PASSWORD);
await cl.events.on('entity', ({ id, change }) => console.log(`event: entity ${id} ${change}`));

const { entity, created } = await cl.store.entities.upload(photo, {
  label: path.parse(photo).name,
  onProgress: ({ loaded, total }) => console.log(`sent ${loaded} of ${total} bytes`),
});
console.log(
  `${created ? 'uploaded' : 'already there'}: entity ${entity.id}, ${entity.width} × ${entity.height} pixels`,
);

const job = cl.compute.mediaThumbnail.generate(photo, { width: 320, timeoutMs: 60_000 });
for await (const { state, progress } of job.events()) console.log(`job: ${state} ${progress} %`);
const { width, height } = await job.output;
console.log(`thumbnail: ${width} × ${height} pixels`);

const { preview } = await cl.store.media.signedUrls(entity.id, { expiresInMs: 600_000 });
console.log(`for ten minutes without a login: ${preview}`);
await cl.close();
