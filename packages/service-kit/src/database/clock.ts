import { sql } from 'kysely';
import type { AnyDatabase } from './database.js';

/**
 * How far this machine's clock is ahead of the database's, in milliseconds; 0 for SQLite, whose clock is this machine's.
 * Half of the time that the question took is subtracted, as in NTP (RFC 5905, clock offset).
 * @param now milliseconds since 1970
 */
export async function clockSkew(database: AnyDatabase, now: () => number): Promise<number> {
  if (database.dialect === 'sqlite') return 0;
  const asked = now();
  const { rows } = await sql<{ ms: number }>`
    select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`.execute(database.kysely);
  const answered = now();
  return Math.round((asked + answered) / 2 - (rows[0]?.ms ?? answered));
}
