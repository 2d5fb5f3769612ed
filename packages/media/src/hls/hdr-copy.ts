/** Decides whether the original of an HDR film can be copied into a stream. */
import { run } from '../process/run.js';
import { inputArgs, type MediaInput } from '../video/input.js';
import type { VideoStream } from '../video/probe.js';
import { isPlayableHdr, type VideoRange } from './ladder.js';

const RANGES = { pq: 'PQ', hlg: 'HLG' } as const;

/**
 * Whether the film begins with pictures that an edit list hides, as after trimming without encoding. A copy would show
 * them, and its time line would begin earlier than that of the other renditions.
 */
async function beginsHidden(
  input: MediaInput,
  { index }: VideoStream,
  { ffprobe, signal }: { readonly ffprobe: string; readonly signal?: AbortSignal | undefined },
): Promise<boolean> {
  const first = ['-select_streams', String(index), '-read_intervals', '%+#1', '-show_entries', 'packet=flags'];
  const args = ['-v', 'error', '-hide_banner', '-of', 'csv=p=0', ...first, ...inputArgs(input)];
  const { stdout } = await run(ffprobe, args, { signal, timeout: 20_000 });
  return /^.D/.test(stdout.toString('latin1'));
}

/** Video range of the original in the stream: that of the source if its stream can be copied, otherwise SDR. */
export async function originalRange(
  input: MediaInput,
  source: VideoStream,
  options: { readonly ffprobe: string; readonly signal?: AbortSignal | undefined },
): Promise<VideoRange> {
  if (!source.hdr || !isPlayableHdr(source) || (await beginsHidden(input, source, options))) return 'SDR';
  return RANGES[source.hdr.transfer];
}
