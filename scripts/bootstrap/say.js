/** A fault that a person can correct: shown as one line, without a stack. */
export class Fault extends Error {}

const terminal = process.stderr.isTTY === true;
const CLEAR = '\r\u001b[K';

/** The current activities; there may be several. @type {Set<{ what: string, seconds: () => number }>} */
const doing = new Set();

/** @param {string} text */
export const say = (text) => process.stderr.write(`${terminal && doing.size > 0 ? CLEAR : ''}${text}\n`);

const status = () => [...doing].map(({ what, seconds }) => `${what} … ${seconds()} s`).join('; ');
const draw = () => process.stderr.write(CLEAR + status().slice(0, (process.stderr.columns ?? 80) - 1));

/**
 * Shows an activity and its duration so far: a line that counts on a terminal, otherwise a line from time to time.
 * @template T
 * @param {string} what
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withProgress(what, work) {
  const from = Date.now();
  const entry = { what, seconds: () => Math.round((Date.now() - from) / 1000) };
  if (!terminal) say(`${what} …`);
  doing.add(entry);
  if (terminal) draw();
  const timer = setInterval(
    () => (terminal ? draw() : say(`${what} … ${entry.seconds()} s`)),
    terminal ? 1_000 : 20_000,
  );
  try {
    const result = await work();
    say(`${what}: done in ${entry.seconds()} s`);
    return result;
  } finally {
    clearInterval(timer);
    doing.delete(entry);
    if (terminal) process.stderr.write(CLEAR);
  }
}
