import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { safeFileName } from '../src/http/file-name.js';

describe('the name of an upload', () => {
  it.each([
    ['photo.jpg', 'photo.jpg'],
    ['Ferien in Köln 1.jpg', 'Ferien in Köln 1.jpg'],
    ['../../../../x.jpg', 'x.jpg'],
    ['..\\..\\x.jpg', 'x.jpg'],
    ['a/b.png', 'b.png'],
    ['..', 'file'],
    ['', 'file'],
    ['.htaccess', 'htaccess'],
    ['-rf', 'rf'],
    ['a\0b\r\n.jpg', 'a_b__.jpg'],
    ['evil\u202Egpj.exe', 'evil_gpj.exe'],
    ['CON.txt', '_CON.txt'],
    ['a:b|c?.jpg', 'a_b_c_.jpg'],
  ])('%j becomes %j', (given, kept) => {
    expect(safeFileName(given)).toBe(kept);
  });

  it('is one bounded segment whatever is given, and stays what it is when cleaned again', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (given) => {
        const name = safeFileName(given);
        expect(name).not.toMatch(/[/\\\p{Cc}]/u);
        expect(name).not.toMatch(/^\.|^$/);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(210);
        expect(safeFileName(name)).toBe(name);
      }),
      { numRuns: 2000 },
    );
  });

  it('keeps the extension of a long name', () => {
    expect(safeFileName(`${'ü'.repeat(300)}.jpeg`)).toMatch(/^ü+\.jpeg$/);
  });
});
