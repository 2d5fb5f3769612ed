/** Tests what a person sees on a terminal while a command works. */
import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Output } from '../src/io/output.js';
import { byteBar, percentBar } from '../src/io/progress.js';
import { cutEnd, cutStart } from '../src/io/text-width.js';
import { screenOf } from './support/screen.js';
import { testWorld } from './support/world.js';

const COLUMNS = 40;

/** An output whose two streams are the same terminal. */
function onTerminal() {
  const parts: string[] = [];
  const terminal = Object.assign(
    new Writable({
      decodeStrings: false,
      write: (chunk: string, _encoding, done) => {
        parts.push(chunk);
        done();
      },
    }),
    { isTTY: true, columns: COLUMNS },
  );
  const out = new Output({ ...testWorld(), stdout: terminal, stderr: terminal }, 'human', {
    TERM: 'xterm',
    NO_COLOR: '1',
  });
  return { out, raw: () => parts.join(''), screen: () => screenOf(parts.join(''), COLUMNS) };
}

describe('a terminal', () => {
  it('shows every message and every result although a bar is drawn all the time', async () => {
    const { out, screen } = onTerminal();
    const bar = await byteBar(out, 1000, 'start');
    for (let i = 0; i < 5; i++) {
      bar.update(i * 200, `a rather long file name, number ${i}.jpg`);
      if (i % 2 === 0) out.warn(`${i}.jpg: the file is empty`);
      else out.write(`uploaded ${i}.jpg\n`);
    }
    expect(screen().at(-1)).toMatch(/^█+░* [\d.]+ B\/1.0 kB.*…$/);
    bar.stop();
    out.error('3 of 5 failed');
    expect(screen()).toEqual([
      '! 0.jpg: the file is empty',
      'uploaded 1.jpg',
      '! 2.jpg: the file is empty',
      'uploaded 3.jpg',
      '! 4.jpg: the file is empty',
      'error: 3 of 5 failed',
    ]);
  });

  it('gets no control characters from a name in a bar, and the bar stays in one line', async () => {
    const { out, raw, screen } = onTerminal();
    const bar = await percentBar(out, 'hash');
    bar.update(50, '\u001b]0;pwned\u0007\u202e\nsecond line.jpg');
    out.note('a message draws the bar again');
    expect(screen()).toHaveLength(2);
    expect(screen().at(-1)).toContain('␛]0;pwned');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
    expect(raw()).not.toMatch(/\u001b\]|\u0007|\u202e/);
    bar.stop();
  });

  it('cuts text to its width in columns, also where a character takes two', () => {
    expect(cutEnd('short', 5)).toBe('short');
    expect(cutEnd('longer', 5)).toBe('long…');
    expect(cutEnd('写真写真', 5)).toBe('写真…');
    expect(cutStart('a/long/path.jpg', 9)).toBe('…path.jpg');
    expect(cutStart('写真写真', 6)).toBe('…写真');
    expect(cutStart('fits', 4)).toBe('fits');
  });
});
