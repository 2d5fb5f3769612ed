/** A reader thread: runs read-only queries on its own connection. Plain JavaScript, so that it runs before any build. */
import { parentPort, workerData } from 'node:worker_threads';
import BetterSqlite3 from 'better-sqlite3';

const database = new BetterSqlite3(workerData.file, { readonly: true, timeout: 10_000 });
database.pragma('cache_size = -16000');
database.pragma('mmap_size = 268435456');
database.pragma('temp_store = MEMORY');

/** @type {Map<string, import('better-sqlite3').Statement>} */
const statements = new Map();

function prepare(text) {
  let statement = statements.get(text);
  if (!statement) {
    if (statements.size >= 500) statements.clear();
    statement = database.prepare(text);
    statements.set(text, statement);
  }
  return statement;
}

parentPort?.on('message', ({ id, text, parameters }) => {
  try {
    parentPort?.postMessage({ id, rows: prepare(text).all(...parameters) });
  } catch (error) {
    parentPort?.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
