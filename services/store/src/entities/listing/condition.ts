import { type RawBuilder, sql } from 'kysely';

/** The table that a list reads; `e` is always `entities`. */
export const ENTITIES = sql`entities e`;

/** One condition on `e`. */
export interface Condition {
  /** The condition as its index can answer it. */
  readonly indexed: RawBuilder<unknown>;
  /** The condition when the index of another one is used. PostgreSQL decides that by itself. */
  readonly plain: RawBuilder<unknown>;
  /** The tables to read if the index of this condition is used. */
  readonly from: RawBuilder<unknown>;
  /** The tables to read if this is the only condition, when the entities need not be read then. */
  readonly alone?: RawBuilder<unknown>;
  /** True if the index gives the matches in the order of ids; otherwise they must be sorted. */
  readonly ordered: boolean;
  /** True if no index answers it: the text of each entity is read, newest first. */
  readonly walked: boolean;
}
