import { MediaError } from '../errors.js';
import { run } from '../process/run.js';
import { inputArgs, type MediaInput } from './input.js';

/** Milliseconds. Reading goes at the disk's speed; this is some gigabytes. */
const TIMEOUT = 60_000;

/**
 * The length of a recording whose header has none (a browser's MediaRecorder, anything written to a pipe), from the times
 * of its packets: the whole file is read, nothing is decoded or kept.
 * @returns seconds; 0 where that takes too long, and where the packets have no times
 * @throws MediaError `cancelled`
 */
export async function measuredLength(
  input: MediaInput,
  { ffprobe, signal }: { readonly ffprobe: string; readonly signal?: AbortSignal | undefined },
): Promise<number> {
  let begin = Number.POSITIVE_INFINITY;
  let end = 0;
  const onLine = (line: string): void => {
    const [pts = Number.NaN, duration = 0] = line.split(',').map(Number);
    if (line === '' || !Number.isFinite(pts)) return;
    begin = Math.min(begin, pts);
    end = Math.max(end, pts + (Number.isFinite(duration) ? duration : 0));
  };
  const show = ['-of', 'csv=p=0', '-show_entries', 'packet=pts_time,duration_time'];
  // The file may break off: what was read until then counts.
  const args = ['-v', 'error', '-hide_banner', ...show, ...inputArgs(input)];
  try {
    await run(ffprobe, args, { signal, timeout: TIMEOUT, onLine });
  } catch (error) {
    if (error instanceof MediaError && error.code === 'timeout') return 0;
    throw error;
  }
  return end > begin ? Number((end - begin).toFixed(6)) : 0;
}
