/** The result of an upload for one file, and how people and programs see it. */
import type { Entity } from '@cl-server/client';
import { type Failure, failureRecord } from '../failure.js';
import { oneLine } from '../io/one-line.js';
import { cutStart } from '../io/text-width.js';

/**
 * - `present`: the server already has the content, where it should be.
 * - `added`: it was in no collection and is now in the requested one. `moved`: it was in another one.
 * - `elsewhere`: it is in another collection and stays there.
 * - `in trash`: it is in the trash, by itself or with a collection, and stays there.
 */
export type Outcome =
  | 'uploaded'
  | 'present'
  | 'added'
  | 'moved'
  | 'elsewhere'
  | 'in trash'
  | 'would upload'
  | 'would add'
  | 'would move'
  | 'failed';

export interface UploadRow {
  readonly file: string;
  readonly outcome: Outcome;
  readonly entity?: Entity | undefined;
  /** The part of the result that the outcome alone does not tell a person. */
  readonly message?: string | undefined;
  readonly failure?: Failure | undefined;
}

/** The result in the form that programs get: the same for one file and for many, and for a failure. */
export const uploadRecord = ({ file, outcome, entity, message, failure }: UploadRow) => ({
  file,
  outcome,
  id: entity?.id ?? null,
  entity,
  message,
  error: failure && failureRecord(failure),
});

const OUTCOME_WIDTH = 'would upload'.length;

/** The result as one line for a person. @param width the columns of the terminal; undefined: the line may have any length */
export function uploadLine({ file, outcome, entity, message }: UploadRow, width: number | undefined): string {
  const start = `${outcome.padEnd(OUTCOME_WIDTH)}  ${String(entity?.id ?? '-').padStart(6)}  `;
  const end = message === undefined ? '' : `  (${oneLine(message)})`;
  const room = width === undefined ? Number.POSITIVE_INFINITY : Math.max(12, width - start.length - end.length);
  return `${start}${cutStart(oneLine(file), room)}${end}\n`;
}

/** The counts of all outcomes as one sentence. */
export function uploadTally(counts: ReadonlyMap<Outcome, number>, dryRun: boolean): string {
  const count = (outcome: Outcome): number => counts.get(outcome) ?? 0;
  const more: readonly (readonly [Outcome, string])[] = [
    ['added', 'added to a collection'],
    ['would add', 'would be added to a collection'],
    ['moved', 'moved to a collection'],
    ['would move', 'would be moved to a collection'],
    ['elsewhere', 'in another collection'],
    ['in trash', 'in the trash'],
  ];
  return [
    dryRun ? `${count('would upload')} would be uploaded` : `${count('uploaded')} uploaded`,
    `${count('present')} already on the server`,
    `${count('failed')} failed`,
    ...more.flatMap(([outcome, text]) => (count(outcome) > 0 ? [`${count(outcome)} ${text}`] : [])),
  ].join(', ');
}
