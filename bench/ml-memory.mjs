// Measures the memory of a model and the time to its first result, in a process of its own, like a runner.
//   node bench/ml-memory.mjs <file> <input> <side>
import { floatTensor, ModelSession } from '@cl-server/models';

const [file, input, side] = process.argv.slice(2);
const session = new ModelSession(file, { provider: 'cpu', threads: 2 });
const run = () =>
  session.run({ [input]: floatTensor(new Float32Array(3 * side * side), [1, 3, Number(side), Number(side)]) });
const megabytes = () => Math.round(process.memoryUsage().rss / 1e6);
const before = megabytes();
const start = performance.now();
await run();
const first = Math.round(performance.now() - start);
const loaded = megabytes() - before;
await session.release();
console.log(JSON.stringify({ first, loaded, kept: megabytes() - before }));
