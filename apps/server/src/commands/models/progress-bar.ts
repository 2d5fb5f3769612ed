import type { DownloadProgress } from '@cl-server/models';
import { megabytes } from './command.js';

const WIDTH = 30;
const REDRAW_MS = 100;

export interface ProgressBar {
  show(progress: DownloadProgress): void;
  clear(): void;
}

const SILENT: ProgressBar = { show: () => undefined, clear: () => undefined };

/** Draws one line again and again; does nothing if nobody watches. */
export function progressBar(terminal: { write(text: string): unknown } | undefined, name: string): ProgressBar {
  if (!terminal) return SILENT;
  let drawn = Number.NEGATIVE_INFINITY;
  let began: { at: number; received: number } | undefined;
  return {
    show: ({ received, total }) => {
      const now = performance.now();
      began ??= { at: now, received };
      if (now - drawn < REDRAW_MS && received < total) return;
      drawn = now;
      const full = Math.round((received / total) * WIDTH);
      const rate = (received - began.received) / Math.max(0.001, (now - began.at) / 1000);
      const bar = '█'.repeat(full) + '░'.repeat(WIDTH - full);
      const text = `${name} ${bar} ${megabytes(received)} of ${megabytes(total)}, ${megabytes(rate)}/s`;
      terminal.write(`\r\x1b[K${text}`);
    },
    clear: () => terminal.write('\r\x1b[K'),
  };
}
