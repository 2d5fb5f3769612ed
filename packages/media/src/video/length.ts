/** Measures the length of a recording. */
import { MediaError } from '../errors.js';
import { run } from '../process/run.js';
import { inputArgs, type MediaInput } from './input.js';

/** Maximum time. Reading runs at the speed of the disk, so this is some gigabytes. */
const TIMEOUT_MS = 60_000;

/**
 * Measures the length of a recording whose header has none (from a browser's MediaRecorder, or written to a pipe) by
 * the times of its packets: the whole file is read, nothing is decoded or kept.
 * @returns seconds; 0 if that takes too long, or if the packets have no times
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
  // The file may be truncated: everything before that place counts.
  const args = ['-v', 'error', '-hide_banner', ...show, ...inputArgs(input)];
  try {
    await run(ffprobe, args, { signal, timeout: TIMEOUT_MS, onLine });
  } catch (error) {
    if (error instanceof MediaError && error.code === 'timeout') return 0;
    throw error;
  }
  return end > begin ? Number((end - begin).toFixed(6)) : 0;
}
