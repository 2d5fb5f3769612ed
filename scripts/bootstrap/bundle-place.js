// Part of each bundle (see make-bundle.js): knows where each module would be as a separate file, and from which line of which
// source file a line of the bundle was made.
import fs from 'node:fs';
import { findSourceMap, SourceMap } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const bundle = new URL('../../', import.meta.url).href;

/** @param {string} file relative to the bundle */
export function placeInBundle(file) {
  const url = new URL(file, bundle).href;
  return { url, dirname: path.dirname(fileURLToPath(url)) };
}

/** Source maps are read when a stack is printed, and kept until the memory is needed. */
const maps = new Map();

function mapOf(url) {
  const known = maps.get(url)?.deref();
  if (known) return known;
  const map = new SourceMap(JSON.parse(fs.readFileSync(fileURLToPath(`${url}.map`), 'utf8')));
  maps.set(url, new WeakRef(map));
  return map;
}

/** Translates `file:///…/chunk.js:1:2` to the place in the source. */
function sourcePlace(place, url, line, column) {
  try {
    const { originalSource, originalLine, originalColumn } = mapOf(url).findEntry(Number(line) - 1, Number(column) - 1);
    if (originalSource === undefined) return place;
    return `${new URL(originalSource, url).href}:${originalLine + 1}:${originalColumn + 1}`;
  } catch {
    return place; // a stack without source lines is better than none
  }
}

const PLACE = new RegExp(`(${bundle.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}[^:)\\s]+\\.m?js):(\\d+):(\\d+)`, 'g');

// Node's own `--enable-source-maps` reads every map at every start: 0.1 s and 17 MB in each process.
if (findSourceMap(fileURLToPath(import.meta.url)) === undefined)
  Error.prepareStackTrace = (error, frames) =>
    [String(error), ...frames.map((frame) => `    at ${frame}`.replace(PLACE, sourcePlace))].join('\n');
