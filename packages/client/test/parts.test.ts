import { describe, expect, it } from 'vitest';
import { readEventStream } from '../src/http/event-stream.js';
import { retryAfter } from '../src/http/retry.js';
import { ConfigError, DEFAULT_URLS, map, resolveUrls, topicMatches } from '../src/index.js';

describe('map', () => {
  it('keeps the order, and runs no more at once than it may', async () => {
    let running = 0;
    let most = 0;
    const results = await map(
      [5, 1, 4, 2, 3],
      async (n) => {
        running += 1;
        most = Math.max(most, running);
        for (let i = 0; i < n; i++) await Promise.resolve();
        running -= 1;
        return n * 2;
      },
      { concurrency: 2 },
    );
    expect(results).toEqual([10, 2, 8, 4, 6]);
    expect(most).toBe(2);
  });

  it('begins nothing after the first failure, and throws it', async () => {
    const begun: number[] = [];
    const work = map(
      [1, 2, 3, 4],
      (n) => {
        begun.push(n);
        if (n === 2) throw new Error('two');
        return n;
      },
      { concurrency: 1 },
    );
    await expect(work).rejects.toThrow('two');
    expect(begun).toEqual([1, 2]);
  });

  it('takes what comes asynchronously, and ends with its signal', async () => {
    const stop = new AbortController();
    async function* endless() {
      for (let i = 0; ; i++) yield i;
    }
    const work = map(endless(), (i) => i === 10 && stop.abort(new Error('enough')), { signal: stop.signal });
    await expect(work).rejects.toThrow('enough');
  });
});

describe('an event stream', () => {
  const read = async (...chunks: string[]) => {
    const bytes = async function* () {
      for (const chunk of chunks) yield new TextEncoder().encode(chunk);
    };
    const messages = [];
    for await (const { event, data, id } of readEventStream(bytes())) messages.push([event, data, id]);
    return messages;
  };

  it('is read however it is cut', async () => {
    const text = ': hello\r\nid: 1\r\nevent: job\r\ndata: {"a":\r\ndata: "ü"}\r\n\r\ndata:x\n\n';
    const expected = [
      ['job', '{"a":\n"ü"}', '1'],
      ['message', 'x', '1'],
    ];
    expect(await read(text)).toEqual(expected);
    expect(await read(...text)).toEqual(expected);
  });

  it('gives nothing for a message that never ended', async () => {
    expect(await read('data: half\n')).toEqual([]);
  });
});

describe('addresses', () => {
  it('come from arguments, then the environment, then a file, then defaults', () => {
    const env = { STORE_URL: 'http://env:1', CL_COMPUTE_URL: 'http://cl:2', COMPUTE_URL: 'http://env:2', AUTH_URL: '' };
    const urls = resolveUrls({
      args: { store: 'http://arg:1/' },
      env,
      file: { auth: 'http://file:3', store: 'http://file:1' },
    });
    expect(urls).toEqual({
      auth: 'http://file:3',
      store: 'http://arg:1',
      compute: 'http://cl:2',
      mqtt: DEFAULT_URLS.mqtt,
    });
  });

  it.each(['none', '', null])('may say that there is no broker: %j', (mqtt) => {
    expect(resolveUrls({ args: { mqtt } }).mqtt).toBeNull();
  });

  it.each(['ftp://x', 'localhost:8001', 'http//x'])('that make no sense are refused: %s', (store) => {
    expect(() => resolveUrls({ args: { store } })).toThrow(ConfigError);
  });
});

it.each([
  ['a/+/c', 'a/b/c', true],
  ['a/+', 'a/b/c', false],
  ['a/#', 'a/b/c', true],
  ['a/b', 'a/b', true],
  ['a/b/c', 'a/b', false],
])('the topic filter %s, given %s: %s', (filter, topic, matches) => {
  expect(topicMatches(filter, topic)).toBe(matches);
});

it('reads Retry-After as seconds and as a date', () => {
  expect(retryAfter('2')).toBe(2000);
  expect(retryAfter('Thu, 01 Jan 1970 00:00:10 GMT', 4000)).toBe(6000);
  expect(retryAfter('soon')).toBeUndefined();
  expect(retryAfter(null)).toBeUndefined();
});
