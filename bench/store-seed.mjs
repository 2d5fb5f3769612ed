// Writes a store with many entities directly into its tables: three versions each, every 20th deleted, in 1,000
// collections.
import BetterSqlite3 from 'better-sqlite3';
import pg from 'pg';

const COLLECTIONS = 1_000;
const WORDS = ['beach', 'sunset', 'family', 'mountain', 'birthday', 'office', 'garden', 'winter'];

const statements = (rows, sqlite) => {
  const numbers = sqlite
    ? `(with recursive n (i) as (select 1 union all select i + 1 from n where i < ${rows}) select i from n)`
    : `generate_series(1, ${rows}) as n (i)`;
  const text = (expression, width) =>
    sqlite ? `printf('%0${width}d', ${expression})` : `lpad((${expression})::text, ${width}, '0')`;
  const word = `case i % 8 ${WORDS.map((name, at) => `when ${at} then '${name}'`).join(' ')} end`;
  const isMedia = `i > ${COLLECTIONS}`;
  const only = (value) => `case when ${isMedia} then ${value} end`;
  const states = [1, 2, 3].map(
    (version) => `insert into entity_versions (entity_id, version, label, parent_id, is_deleted, sha256, file_name,
      transaction_id, changed_at, changed_by, operation, changed_fields)
      select id, ${version}, label, parent_id, case when ${version} = 3 then is_deleted else 0 end, sha256, file_name,
      id * 3 + ${version}, added_date + ${version}, '7', case when ${version} = 1 then 'create' else 'update' end, 'label'
      from entities`,
  );
  return [
    `insert into files (sha256, md5, path, added_at, tags_status, file_size, mime_type, type, extension)
      select ${text('i', 64)}, ${text('i', 32)}, ${text('i', 32)} || '/photo.jpg', 0, 'complete', 1, 'image/jpeg', 'image',
      'jpg' from ${numbers} where ${isMedia}`,
    `insert into entities (is_collection, parent_id, label, is_deleted, deleted_at, added_date, added_by, updated_date,
      updated_by, version, mime_type, type, extension, width, height, file_size, md5, sha256, file_path, file_name)
      select case when ${isMedia} then 0 else 1 end, ${only(`1 + i % ${COLLECTIONS}`)}, ${word} || ' ' || i,
      case when i % 20 = 0 then 1 else 0 end, case when i % 20 = 0 then 1700000000000 end, 1700000000000 + i * 100, '7',
      1700000000000 + i * 100, '7', 3, ${only("case when i % 100 = 0 then 'video/mp4' else 'image/jpeg' end")},
      ${only("case when i % 100 = 0 then 'video' else 'image' end")}, ${only("'jpg'")},
      ${only('1000 + i % 3000')}, ${only('1000 + i % 2000')}, ${only('100000 + i * 37 % 9000000')},
      ${only(text('i', 32))}, ${only(text('i', 64))}, ${only(`${text('i', 32)} || '/photo.jpg'`)}, ${only("'photo.jpg'")}
      from ${numbers}`,
    // The texts are ASCII: the service would only convert them to lower case.
    `insert into entity_search (id, text) select id, lower(label) || '\n' || coalesce(lower(file_name), '') from entities`,
    ...states,
    `update entities set children_total = ${Math.floor(rows / COLLECTIONS)}, children_live = ${Math.floor((rows / COLLECTIONS) * 0.95)}
      where is_collection = 1`,
    `update store_counters set value = ${rows} where name in ('entities', 'entities_live')`,
    `update store_counters set value = ${rows * 3 + 3} where name = 'transaction_id'`,
    'analyze',
  ];
};

/** @param place file of a SQLite database, or a postgres:// URL; already migrated */
export async function seedStore(place, rows) {
  if (!place.startsWith('postgres')) {
    const db = new BetterSqlite3(place);
    db.pragma('synchronous = off');
    db.pragma('cache_size = -400000');
    for (const statement of statements(rows, true)) db.exec(statement);
    db.pragma('wal_checkpoint(truncate)');
    db.close();
    return;
  }
  const client = new pg.Client({ connectionString: place, options: '-c search_path=store,public' });
  await client.connect();
  for (const statement of statements(rows, false)) await client.query(statement);
  await client.query('vacuum');
  await client.end();
}
