// A worker thread that digests the blocks of a large file. All threads of a file share the blocks.
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';

const hashes = workerData.algorithms.map((algorithm) => [algorithm, createHash(algorithm)]);

parentPort.on('message', (block) => {
  if (block === null) {
    parentPort.postMessage(Object.fromEntries(hashes.map(([algorithm, hash]) => [algorithm, hash.digest('hex')])));
    parentPort.close();
    return;
  }
  for (const [, hash] of hashes) hash.update(new Uint8Array(block.buffer, 0, block.length));
  parentPort.postMessage('done');
});
