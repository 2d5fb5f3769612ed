/** A fault that a person can mend: shown as one line, without a stack. */
export class Fault extends Error {}

const terminal = process.stderr.isTTY === true;

/** @param {string} text */
export const say = (text) => process.stderr.write(`${text}\n`);

/**
 * Says what is being done, and how long it has taken so far: a line that counts on a terminal, else one now and then.
 * @template T
 * @param {string} what
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withProgress(what, work) {
  const from = Date.now();
  const seconds = () => Math.round((Date.now() - from) / 1000);
  if (!terminal) say(`${what} …`);
  const tick = () =>
    terminal ? process.stderr.write(`\r\u001b[K${what} … ${seconds()} s`) : say(`${what} … ${seconds()} s`);
  if (terminal) tick();
  const timer = setInterval(tick, terminal ? 1_000 : 20_000);
  try {
    const result = await work();
    if (terminal) process.stderr.write('\r\u001b[K');
    say(`${what}: done in ${seconds()} s`);
    return result;
  } catch (error) {
    if (terminal) process.stderr.write('\n');
    throw error;
  } finally {
    clearInterval(timer);
  }
}
