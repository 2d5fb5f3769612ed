import type { CursorCodec } from '@cl-server/kit';
import { badRequest } from '../errors.js';

/**
 * The position that a client's cursor holds; undefined if it sent none.
 * @throws HttpError 400 for a text that is not a cursor of this list
 */
export function positionOf(cursors: CursorCodec, cursor: string): number;
export function positionOf(cursors: CursorCodec, cursor: string | undefined): number | undefined;
export function positionOf(cursors: CursorCodec, cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const position = cursors.decode(cursor);
  if (position === undefined)
    throw badRequest('Invalid cursor. Omit it to start from the first page.', { code: 'bad_cursor' });
  return position;
}
