import type { FileBody } from '../files/file-body.js';

/** Fields of a form or a query. `null` means "set to nothing", `undefined` leaves the field out. */
export type Fields = Readonly<Record<string, unknown>>;

/** A field as text, as forms and queries carry it. Lists and objects become JSON. */
const fieldText = (value: unknown): string =>
  value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);

/** Name and text of each field that is there. */
export function fieldEntries(fields: Fields): [string, string][] {
  return Object.entries(fields).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, fieldText(value)]],
  );
}

/** A query string with its `?`, or nothing. */
export function queryString(query: Fields): string {
  const entries = fieldEntries(query);
  return entries.length === 0 ? '' : `?${new URLSearchParams(entries).toString()}`;
}

/** A form with a file, ready to be sent by the platform. */
export interface Multipart {
  readonly fields: readonly [string, string][];
  readonly fileField: string;
  readonly file: FileBody;
}

/** Bytes moved so far, and of how many, where that is known. */
export interface Progress {
  readonly loaded: number;
  readonly total: number | undefined;
}
/** Called with the number of bytes transferred so far. */
export type OnProgress = (progress: Progress) => void;
