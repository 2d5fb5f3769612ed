// A thread that holds one ONNX session: the runtime computes on the thread that calls it, and the thread that decodes
// pictures, reports progress and receives cancellations must not be blocked by that.
import { parentPort, workerData } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';

const { file, options } = workerData;
const say = (error) => (error instanceof Error ? error.message : String(error));

let session;
try {
  session = await ort.InferenceSession.create(file, options);
  parentPort.postMessage({ type: 'loaded', inputs: session.inputNames, outputs: session.outputNames });
} catch (error) {
  parentPort.postMessage({ type: 'refused', message: say(error) });
  parentPort.close();
}

async function run({ id, feeds, outputs }) {
  try {
    const tensors = Object.fromEntries(
      Object.entries(feeds).map(([name, { type, data, dims }]) => [name, new ort.Tensor(type, data, dims)]),
    );
    const results = await session.run(tensors, outputs ?? session.outputNames);
    const answer = {};
    for (const [name, { data, dims }] of Object.entries(results)) {
      if (!(data instanceof Float32Array)) throw new Error(`output ${name} is not float32`);
      answer[name] = { data: new Float32Array(data), dims }; // a copy: the runtime's memory cannot be transferred
    }
    const buffers = Object.values(answer).map(({ data }) => data.buffer);
    parentPort.postMessage({ type: 'result', id, results: answer }, buffers);
  } catch (error) {
    parentPort.postMessage({ type: 'failed', id, message: say(error) });
  }
}

// Requests are processed one after the other, so that a session is never closed during a run.
let last = Promise.resolve();
parentPort.on('message', (message) => {
  last = last.then(async () => {
    if (message.type === 'run') return run(message);
    await session?.release();
    parentPort.close();
  });
});
