/** A small generator with a seed (mulberry32), so that a failing file can be reproduced. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A damaged copy of a file, always the same for a seed: parts of it are flipped, overwritten, cut off and repeated. */
export function mutate(source: Buffer, seed: number): Buffer {
  const next = seededRandom(seed);
  let bytes = Buffer.from(source);
  const edits = 1 + Math.floor(next() * 12);
  for (let i = 0; i < edits; i++) {
    const place = Math.floor(next() ** 2 * bytes.length); // headers are hit more often than data
    const kind = next();
    if (kind < 0.5) bytes[place] = Math.floor(next() * 256);
    else if (kind < 0.7)
      bytes.fill(Math.floor(next() * 256), place, Math.min(bytes.length, place + Math.floor(next() * 64)));
    else if (kind < 0.8) bytes = bytes.subarray(0, Math.max(16, place));
    else bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(Math.floor(next() * bytes.length))]);
  }
  return bytes;
}
