// Reads npm packages: a gzipped tar archive in which everything is under `package/`.
import fs from 'node:fs';
import path from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import zlib from 'node:zlib';

const BLOCK = 512;

const text = (header, from, length) =>
  header
    .subarray(from, from + length)
    .toString('utf8')
    .replace(/\0.*$/s, '');

/** Writes all bytes: on a nearly full disk one call may write a part of them, which only its return value shows. */
function writeAll(file, bytes) {
  for (let written = 0; written < bytes.length; ) written += fs.writeSync(file, bytes, written);
}

/** Reads an archive in pieces of any size, and writes the wanted files. */
class TarReader {
  #target;
  #rest = Buffer.alloc(0);
  /** The remaining bytes of the current entry, and of the padding of its last block. */
  #left = 0;
  #padding = 0;
  /** The descriptor of the file that is being written; undefined if the entry is not wanted. */
  #file;

  constructor(target) {
    this.#target = target;
  }

  take(chunk) {
    let data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    for (;;) {
      if (this.#left > 0) {
        const part = data.subarray(0, this.#left);
        if (this.#file !== undefined) writeAll(this.#file, part);
        this.#left -= part.length;
        data = data.subarray(part.length);
      }
      if (this.#left > 0) break;
      this.#close();
      const skipped = Math.min(this.#padding, data.length);
      this.#padding -= skipped;
      data = data.subarray(skipped);
      if (this.#padding > 0 || data.length < BLOCK) break;
      this.#open(data.subarray(0, BLOCK));
      data = data.subarray(BLOCK);
    }
    this.#rest = Buffer.from(data);
  }

  /** Must be called after the last piece. */
  end() {
    const cut = this.#left > 0;
    this.#close();
    if (cut) throw new Error('the archive ends in the middle of a file');
  }

  #open(header) {
    if (header.every((byte) => byte === 0)) return; // the archive ends with empty blocks
    const size = Number.parseInt(text(header, 124, 12), 8);
    if (!Number.isSafeInteger(size)) throw new Error('the archive has an entry without a size');
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    const type = text(header, 156, 1);
    if (type !== '' && type !== '0') return; // folders are made for their files; npm packs no links
    const name = [text(header, 345, 155), text(header, 0, 100)].filter(Boolean).join('/');
    const target = this.#target(name.replace(/^package\//, ''));
    if (target === undefined) return;
    fs.mkdirSync(path.dirname(target), { recursive: true });
    const executable = (Number.parseInt(text(header, 100, 8), 8) & 0o100) !== 0;
    this.#file = fs.openSync(target, 'wx', executable ? 0o755 : 0o644);
  }

  #close() {
    if (this.#file !== undefined && this.#left === 0) fs.closeSync(this.#file);
    if (this.#left === 0) this.#file = undefined;
  }
}

/**
 * Writes the files of a package for which `target` returns a path.
 * @param {string} archive a file as `npm pack` creates it
 * @param {(name: string) => string | undefined} target the path for a file of the package, if it is wanted
 */
export async function unpack(archive, target) {
  const reader = new TarReader(target);
  const attempt = (work, done) => {
    try {
      work();
      done();
    } catch (error) {
      done(error); // thrown out of a loop over the chunks, it would reach the caller as an AbortError
    }
  };
  const writer = new Writable({
    write: (chunk, _encoding, done) => attempt(() => reader.take(chunk), done),
    final: (done) => attempt(() => reader.end(), done),
  });
  await pipeline(fs.createReadStream(archive), zlib.createGunzip(), writer);
}
