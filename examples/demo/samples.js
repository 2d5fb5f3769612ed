// Sample media, generated here: nothing is downloaded, and no real photo is needed.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const sharp = createRequire(path.join(root, 'packages/media/package.json'))('sharp');

const landscape = `<svg xmlns="http://www.w3.org/2000/svg" width="1600" height="1067">
  <defs><linearGradient id="sky" x2="0" y2="1"><stop offset="0" stop-color="#1d3f72"/><stop offset=".6" stop-color="#f2a65a"/></linearGradient></defs>
  <rect width="1600" height="1067" fill="url(#sky)"/><circle cx="1120" cy="560" r="90" fill="#fff3c4"/>
  <path d="M0 760 L320 470 L560 700 L860 380 L1210 730 L1600 560 V1067 H0 Z" fill="#2b3a4a"/>
  <path d="M0 860 Q400 780 800 860 T1600 850 V1067 H0 Z" fill="#1a2632"/></svg>`;

/** A photo with camera, time and place in its metadata, as cameras write them. */
async function makePhoto(file) {
  await sharp(Buffer.from(landscape))
    .withExif({
      IFD0: { Make: 'CL Server', Model: 'Demo Camera 1', Artist: 'the demo' },
      IFD2: { DateTimeOriginal: '2026:06:21 21:04:00', ISOSpeedRatings: '200', FNumber: '28/10' },
      IFD3: {
        GPSLatitudeRef: 'N',
        GPSLatitude: '46/1 33/1 1800/100',
        GPSLongitudeRef: 'E',
        GPSLongitude: '7/1 58/1 4100/100',
      },
    })
    .jpeg({ quality: 88 })
    .toFile(file);
}

function makeVideo(file) {
  const source = ['-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25:duration=4'];
  const sound = ['-f', 'lavfi', '-i', 'sine=frequency=330:duration=4'];
  const coding = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-shortest'];
  execFileSync(process.env.FFMPEG_PATH || 'ffmpeg', ['-v', 'error', '-y', ...source, ...sound, ...coding, file]);
}

/**
 * @param {string} folder
 * @returns {Promise<{ photo: string, video: string }>} their files
 */
export async function makeSamples(folder) {
  fs.mkdirSync(folder, { recursive: true });
  const photo = path.join(folder, 'mountains.jpg');
  const video = path.join(folder, 'test-card.mp4');
  await makePhoto(photo);
  makeVideo(video);
  return { photo, video };
}
