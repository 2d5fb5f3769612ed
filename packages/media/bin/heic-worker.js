// A worker thread that decodes HEIC: libheif as WebAssembly is synchronous and would stop the event loop for a second.
import { parentPort } from 'node:worker_threads';
import decode from 'heic-decode';

parentPort.on('message', async ({ buffer }) => {
  try {
    const { width, height, data } = await decode({ buffer: Buffer.from(buffer) });
    parentPort.postMessage({ width, height, data: data.buffer }, [data.buffer]);
  } catch (error) {
    parentPort.postMessage({ error: String(error?.message ?? error) });
  }
});
