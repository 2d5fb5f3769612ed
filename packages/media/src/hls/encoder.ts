import { run } from '../process/run.js';

/** An H.264 encoder of ffmpeg with the arguments that make it cut where it is told. */
export interface Encoder {
  readonly name: string;
  readonly args: readonly string[];
}

/** Works everywhere. */
export const SOFTWARE: Encoder = {
  name: 'libx264',
  args: ['-preset', 'veryfast', '-sc_threshold', '0', '-forced-idr', '1'],
};

/** Encoders that take frames from memory, fastest first. */
const hardware: readonly Encoder[] = [
  { name: 'h264_nvenc', args: ['-preset', 'p4', '-no-scenecut', '1', '-forced-idr', '1'] },
  { name: 'h264_videotoolbox', args: ['-realtime', '0'] },
  { name: 'h264_qsv', args: ['-preset', 'veryfast', '-forced_idr', '1'] },
];

/** A build lists encoders whose hardware is not there; only a trial tells. */
async function works(ffmpeg: string, { name, args }: Encoder): Promise<boolean> {
  const trial = ['-v', 'error', '-nostdin', '-f', 'lavfi', '-i', 'color=size=320x240:rate=25:duration=0.2'];
  const encode = ['-pix_fmt', 'yuv420p', '-c:v', name, ...args, '-profile:v', 'high', '-f', 'null', '-'];
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
