import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { safeFileName, shownFileName } from '../src/http/file-name.js';

describe('the name of an upload', () => {
  it('takes no time, however long it is', () => {
    for (const unit of [' ', '.', '. ', '-', '/', '\u200b', 'a.', '\ud800', '%20']) {
      const start = performance.now();
      const name = safeFileName(`x${unit.repeat(1_000_000)}y.jpg`);
      expect([unit, name.endsWith('.jpg'), performance.now() - start < 200]).toEqual([unit, true, true]);
    }
  });

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
    ['Oma "Hilde" & Opa\u2019s.jpg', 'Oma _Hilde_ & Opa\u2019s.jpg'],
    ['\u{1F468}\u200D\u{1F469}\u200D\u{1F467}.jpg', '\u{1F468}\u200D\u{1F469}\u200D\u{1F467}.jpg'],
    ['\u{1F44D}\u{1F3FD}\u200D\u2642\uFE0F.jpg', '\u{1F44D}\u{1F3FD}\u200D\u2642\uFE0F.jpg'],
    ['\u0645\u06CC\u200C\u062E\u0648\u0627\u0647\u0645.png', '\u0645\u06CC\u200C\u062E\u0648\u0627\u0647\u0645.png'],
    ['\u200D.jpg', '_.jpg'],
    ['a\u200D\u200Db\u200C.jpg', 'a__b_.jpg'],
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

  it('is shown with its quotation marks, and otherwise as safe', () => {
    expect(shownFileName('../Oma "Hilde".jpg')).toBe('Oma "Hilde".jpg');
    expect(shownFileName('"<b>\u202E"')).toBe('"_b__"');
  });

  it('keeps the extension of a long name', () => {
    expect(safeFileName(`${'ü'.repeat(300)}.jpeg`)).toMatch(/^ü+\.jpeg$/);
  });
});
