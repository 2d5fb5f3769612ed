import { printable } from '@cl-server/contract/printable';
import type { SingleBar } from 'cli-progress';
import type { Output } from './output.js';

/** A progress bar on stderr if a person watches; otherwise it does nothing. */
export interface ProgressBar {
  update(value: number, text?: string): void;
  setTotal(total: number): void;
  stop(): void;
}

const SILENT: ProgressBar = { update: () => undefined, setTotal: () => undefined, stop: () => undefined };

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];
/** Formats 1234567 as `1.2 MB`. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

const secondsText = (seconds: number): string =>
  !Number.isFinite(seconds) || seconds > 360_000
    ? ''
    : seconds >= 90
      ? `${Math.round(seconds / 60)} min`
      : `${Math.round(seconds)} s`;

async function makeBar(out: Output, format: ConstructorParameters<typeof SingleBar>[0]): Promise<SingleBar> {
  const { default: progress } = await import('cli-progress');
  return new progress.SingleBar(
    { stream: out.stderr, hideCursor: true, clearOnComplete: true, barsize: 24, fps: 8, ...format },
    progress.Presets.shades_classic,
  );
}

const wrap = (bar: SingleBar): ProgressBar => ({
  update: (value, text) => bar.update(value, text === undefined ? {} : { text: printable(text) }),
  setTotal: (total) => bar.setTotal(total),
  stop: () => bar.stop(),
});

/** A bar of percent. */
export async function percentBar(out: Output, text: string): Promise<ProgressBar> {
  if (!out.interactive) return SILENT;
  const bar = await makeBar(out, { format: '{bar} {percentage}% {text}' });
  bar.start(100, 0, { text: printable(text) });
  return wrap(bar);
}

/** A bar of bytes, with rate and remaining time. */
export async function byteBar(out: Output, total: number, text: string): Promise<ProgressBar> {
  if (!out.interactive) return SILENT;
  const began = performance.now();
  const bar = await makeBar(out, {
    format: (options, { value, total: all, progress: part }, payload: { text?: string }) => {
      const full = Math.round(part * (options.barsize ?? 24));
      const drawn = '█'.repeat(full) + '░'.repeat((options.barsize ?? 24) - full);
      const rate = value / Math.max(0.001, (performance.now() - began) / 1000);
      const left = secondsText((all - value) / rate);
      return `${drawn} ${bytesText(value)}/${bytesText(all)}  ${bytesText(rate)}/s  ${left}  ${payload.text ?? ''}`;
    },
  });
  bar.start(Math.max(1, total), 0, { text: printable(text) });
  return wrap(bar);
}
