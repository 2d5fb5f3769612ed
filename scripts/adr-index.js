/** Writes the index of decisions, docs/adr/README.md: node scripts/adr-index.js [--check]. */
import fs from 'node:fs';
import path from 'node:path';

const folder = path.resolve(import.meta.dirname, '../docs/adr');
const INDEX = path.join(folder, 'README.md');
const STATUS = /^Status: (accepted|superseded by \d{4}), (\d{4}-\d{2}-\d{2})(?:; (.+))?$/;

function entryOf(file) {
  const [title = '', , status = ''] = fs.readFileSync(path.join(folder, file), 'utf8').split('\n');
  const number = file.slice(0, 4);
  const named = title.startsWith(`# ${number}. `);
  const read = STATUS.exec(status);
  if (!named || !read)
    throw new Error(`docs/adr/${file} must begin "# ${number}. <title>", an empty line, "Status: accepted, <date>"`);
  const [, state, date, remark] = read;
  return `| [${number}](${file}) | ${title.slice(number.length + 4)} | ${state}${remark ? `; ${remark}` : ''} | ${date} |`;
}

const files = fs.readdirSync(folder).filter((name) => /^\d{4}-.+\.md$/.test(name));
const repeated = files.filter(
  (name, index) => files.findIndex((other) => other.startsWith(name.slice(0, 4))) !== index,
);
if (repeated.length > 0) throw new Error(`two decisions have one number: ${repeated.join(', ')}`);
const wanted = `# Decisions

Each page records one decision: what was chosen, for which reason and with which measurement. A decision that no longer
holds is not deleted; its status names the one that took its place. Numbers are given once and have gaps.

| number | decision | status | date |
| --- | --- | --- | --- |
${files.toSorted().map(entryOf).join('\n')}
`;
if (!process.argv.includes('--check')) fs.writeFileSync(INDEX, wanted);
else if (!fs.existsSync(INDEX) || fs.readFileSync(INDEX, 'utf8') !== wanted) {
  console.error('docs/adr/README.md is out of date: run "node scripts/adr-index.js".');
  process.exitCode = 1;
}
