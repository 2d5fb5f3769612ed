import { oneLine } from './one-line.js';
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

/** Formats a duration; empty if it is unknown or longer than 100 hours. */
export const secondsText = (seconds: number): string =>
  !Number.isFinite(seconds) || seconds > 360_000
    ? ''
    : seconds >= 90
      ? `${Math.round(seconds / 60)} min`
      : `${Math.round(seconds)} s`;

/** Draws a part of a whole, for example `████░░░░`. */
export function barText(part: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, part)) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

const BAR_WIDTH = 24;

function makeBar(
  { status }: Output,
  initial: { readonly total: number; readonly text: string },
  render: (value: number, total: number, text: string) => string,
): ProgressBar {
  if (!status) return SILENT;
  let { total, text } = initial;
  let value = 0;
  const show = (): void => status.show(() => render(value, total, text));
  show();
  return {
    update: (to, given) => {
      value = to;
      if (given !== undefined) text = oneLine(given);
      show();
    },
    setTotal: (to) => {
      total = to;
      show();
    },
    stop: () => status.clear(),
  };
}

/** A bar of percent. */
export async function percentBar(out: Output, text: string): Promise<ProgressBar> {
  return makeBar(
    out,
    { total: 100, text: oneLine(text) },
    (value, total, name) => `${barText(value / total, BAR_WIDTH)} ${Math.floor((100 * value) / total)}% ${name}`,
  );
}

/** A bar of bytes, with rate and remaining time. */
export async function byteBar(out: Output, size: number, text: string): Promise<ProgressBar> {
  const began = performance.now();
  return makeBar(out, { total: Math.max(1, size), text: oneLine(text) }, (value, total, name) => {
    const rate = value / Math.max(0.001, (performance.now() - began) / 1000);
    const left = secondsText((total - value) / rate);
    return `${barText(value / total, BAR_WIDTH)} ${bytesText(value)}/${bytesText(total)}  ${bytesText(rate)}/s  ${left}  ${name}`;
  });
}
