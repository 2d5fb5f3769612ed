import { run } from '../process/run.js';

/** An H.264 encoder of ffmpeg with the arguments that make it cut where it is told. */
export interface Encoder {
  readonly name: string;
  readonly args: readonly string[];
  /** Filters that bring frames into the form that it takes. */
  readonly takes: string;
  /** What is said once, before the input: the device. */
  readonly device: readonly string[];
}

/** Takes frames from memory, and finds its device by itself. */
const fromMemory = (name: string, ...args: string[]): Encoder => ({ name, args, takes: 'format=yuv420p', device: [] });

/** Works everywhere. */
export const SOFTWARE = fromMemory('libx264', '-preset', 'veryfast', '-sc_threshold', '0', '-forced-idr', '1');

/** Fastest first. VAAPI, the door to AMD's and older Intel's on Linux, takes frames that lie on its device. */
const hardware: readonly Encoder[] = [
  fromMemory('h264_nvenc', '-preset', 'p4', '-no-scenecut', '1', '-forced-idr', '1'),
  fromMemory('h264_videotoolbox', '-realtime', '0'),
  fromMemory('h264_qsv', '-preset', 'veryfast', '-forced_idr', '1'),
  {
    name: 'h264_vaapi',
    args: [],
    takes: 'format=nv12,hwupload',
    device: ['-init_hw_device', 'vaapi=gpu', '-filter_hw_device', 'gpu'],
  },
];

/** A build lists encoders whose hardware is not there; only a trial tells. */
async function works(ffmpeg: string, { name, args, takes, device }: Encoder): Promise<boolean> {
  const trial = ['-v', 'error', '-nostdin', ...device, '-f', 'lavfi', '-i', 'color=size=320x240:rate=25:duration=0.2'];
  const encode = ['-vf', takes, '-c:v', name, ...args, '-profile:v', 'high', '-f', 'null', '-'];
  const { code } = await run(ffmpeg, [...trial, ...encode], { timeout: 10_000 }).catch(() => ({ code: 1 }));
  return code === 0;
}

/** The fastest H.264 encoder that works on this machine. */
export async function findEncoder(ffmpeg: string): Promise<Encoder> {
  const { stdout } = await run(ffmpeg, ['-v', 'error', '-hide_banner', '-encoders'], { timeout: 10_000 });
  const listed = stdout.toString('utf8');
  for (const encoder of hardware)
    if (listed.includes(` ${encoder.name} `) && (await works(ffmpeg, encoder))) return encoder;
  return SOFTWARE;
}
