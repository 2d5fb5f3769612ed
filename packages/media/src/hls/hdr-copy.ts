import { run } from '../process/run.js';
import { inputArgs, type MediaInput } from '../video/input.js';
import type { VideoStream } from '../video/probe.js';
import { isPlayableHdr, type VideoRange } from './ladder.js';

const RANGES = { pq: 'PQ', hlg: 'HLG' } as const;

/**
 * A film that was trimmed without encoding it may begin with pictures that an edit list hides. A copy would show them, and
 * its time line would begin earlier than that of the other renditions.
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

/** The range of the original as HLS can have it: that of the source where its stream can be copied, else SDR. */
export async function originalRange(
  input: MediaInput,
  source: VideoStream,
  options: { readonly ffprobe: string; readonly signal?: AbortSignal | undefined },
): Promise<VideoRange> {
  if (!source.hdr || !isPlayableHdr(source) || (await beginsHidden(input, source, options))) return 'SDR';
  return RANGES[source.hdr.transfer];
}
