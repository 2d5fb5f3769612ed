import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { runTask } from '@cl-server/task-kit/testing';
import { hasChromium, hasFfmpeg, makeVideo, tempDir, which } from '@cl-server/testing';
import { chromium } from 'playwright-core';
import { afterAll, describe, expect, it } from 'vitest';
import task from '../src/hls_streaming/task.js';

const dir = tempDir('cl-hls-play-');
afterAll(() => dir.remove());
const require = createRequire(import.meta.url);
const hlsJs = path.join(path.dirname(require.resolve('hls.js')), 'hls.min.js');
const page = `<!doctype html><video muted></video><script src="/hls.js"></script><script>
  const video = document.querySelector('video');
  const state = (window.state = { levels: 0, errors: [], ended: false });
  const hls = new Hls();
  hls.on(Hls.Events.ERROR, (_, e) => e.fatal && state.errors.push(e.details));
  hls.on(Hls.Events.MANIFEST_PARSED, (_, m) => { state.levels = m.levels.length; video.playbackRate = 4; video.play(); });
  video.addEventListener('ended', () => (state.ended = true));
  hls.loadSource('/stream/adaptive.m3u8');
  hls.attachMedia(video);
</script>`;
const TYPES: Record<string, string> = { '.m3u8': 'application/vnd.apple.mpegurl', '.ts': 'video/mp2t' };

function serve(folder: string): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    const name = path.basename(request.url ?? '/');
    if (request.url === '/') return response.setHeader('content-type', 'text/html').end(page);
    const file = name === 'hls.js' ? hlsJs : path.join(folder, name);
    if (!fs.existsSync(file)) return response.writeHead(404).end();
    response.setHeader('content-type', TYPES[path.extname(name)] ?? 'text/javascript');
    return fs.createReadStream(file).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

describe.runIf(hasFfmpeg() && hasChromium())('an HLS stream in a browser', () => {
  /** A video in HDR colours, which the browser does not decode: it plays the two variants. */
  const hdrVideo = (): string => {
    const file = path.join(dir.path, 'hdr.mp4');
    const colours = 'log-level=none:keyint=25:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc';
    execFileSync('ffmpeg', [
      ...['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25:duration=9,format=yuv420p10le'],
      ...['-f', 'lavfi', '-i', 'sine=duration=9', '-c:a', 'aac', '-c:v', 'libx265', '-preset', 'ultrafast'],
      ...['-x265-params', colours, '-color_primaries', 'bt2020', '-color_trc', 'smpte2084', '-tag:v', 'hvc1', file],
    ]);
    return file;
  };
  const sdrVideo = (): string => makeVideo(path.join(dir.path, 'v.mp4'), { seconds: 9, size: '320x240', rate: 25 });

  it.each([
    { source: 'SDR', video: sdrVideo, levels: 3 },
    { source: 'HDR', video: hdrVideo, levels: 2 },
  ])('made from $source plays from the first frame to the last with hls.js', async ({ video, levels }) => {
    const file = video();
    const variants = '[{"resolution":180,"bitrate":400},{"resolution":120,"bitrate":200}]';
    using run = await runTask(task, { file, params: { variants, include_original: true } });
    const server = await serve(path.dirname(run.path(run.output.master_playlist)));
    const args = [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
    ];
    const browser = await chromium.launch({ executablePath: which('chromium') ?? '', args });
    try {
      const tab = await browser.newPage();
      await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      await tab.waitForFunction('state.ended || state.errors.length', undefined, { timeout: 30_000 });
      expect(await tab.evaluate('({ ...state, time: document.querySelector("video").currentTime })')).toMatchObject({
        levels,
        errors: [],
        ended: true,
        time: expect.closeTo(9, 0),
      });
    } finally {
      await browser.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
