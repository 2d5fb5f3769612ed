import { describe, expect, it } from 'vitest';
import { withoutServerFacts } from '../src/exif/server-facts.js';

describe('facts of the server', () => {
  it('are removed from tags at any depth', () => {
    const tags = {
      SourceFile: '/data/jobs/1/a.jpg',
      'EXIF:Make': 'Canon',
      'IPTC:Keywords': ['sea', '/data/jobs/1/a.jpg', 7],
      'File:FileAttributes': '32768 0',
      'LNK:FileAttributes': 32,
      'File:System': { FileName: 'a.jpg', Directory: '/data/jobs/1', deeper: [{ FilePath: '/x', Title: 'A title' }] },
      'XMP:Nothing': null,
    };
    expect(withoutServerFacts(tags, '/data/jobs/1/a.jpg')).toEqual({
      'EXIF:Make': 'Canon',
      'IPTC:Keywords': ['sea', 7],
      'LNK:FileAttributes': 32,
      'File:System': { FileName: 'a.jpg', deeper: [{ Title: 'A title' }] },
      'XMP:Nothing': null,
    });
  });
});
