/** Runs once per test run: starts a private PostgreSQL server if PostgreSQL is installed and no server is given. */
import { startPostgres } from './postgres.js';

export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.CL_TEST_POSTGRES_URL || process.env.CL_TEST_NO_POSTGRES) return undefined;
  const server = await startPostgres();
  if (!server) return undefined;
  process.env.CL_TEST_POSTGRES_URL = server.url;
  return server.stop;
}
