/**
 * Checks the words of comments, messages and documents: node scripts/prose.js [folder or file …].
 *
 * Each rule names a word or a construction that a reader stumbles over, and what to write instead. CONTRIBUTING.md has the
 * style that the rules stand for, docs/glossary.md the terms.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');

/** `pattern` is looked for in each line; `but` names files in which the rule does not hold. */
const RULES = [
  { pattern: /\banew\b/i, instead: 'again' },
  { pattern: /\b[Mm]end(s|ed|ing)?\b/, instead: 'fix, repair or correct' },
  { pattern: /\bwhoever\b/i, instead: 'the user, the client, the process that …' },
  { pattern: /\bfor want of\b/i, instead: 'because there is no …' },
  { pattern: /\b(is|are) none (that|of)\b/i, instead: 'is not a … of' },
  { pattern: /\bmay everything\b/i, instead: 'has all permissions' },
  { pattern: /\bbeats\b/i, instead: 'takes precedence over; heartbeats' },
  {
    pattern: /\b(is|are|was|were|be|been|being) told\b|\btold (of|about|by|to)\b/i,
    instead: 'learns, receives, is notified',
  },
  { pattern: /\b(tells?|telling) (of|apart)\b/i, instead: 'describes, reports, distinguishes' },
  { pattern: /\bwho wants\b/i, instead: 'a caller that wants' },
  { pattern: /\bunder way\b/i, instead: 'running, in progress' },
  {
    pattern: /\bsettl(e|es|ing)\b|(?<![.#]|async )\bsettled\b(?!\()/,
    instead: 'the verb of what happens: acknowledge, complete, save, wait',
  },
  {
    pattern: /^\s*(?:\/\*\*|\*|\/\/)\s(?:Of|Who|Whose|What|Where|That|By|As)\s(?!.*\?)/,
    instead: 'a full sentence or a noun phrase: "The …", "A …", "Whether …", "How …"',
  },
  {
    pattern: /\bearlier system\b|\bthe seed\b|\bCoLAN\b/i,
    instead: 'a reference to docs/compatibility.md',
    // Existing clients compare the name that the root of the store shows.
    but: /^(?:docs\/(?:compatibility|glossary)\.md|services\/store\/src\/access\/routes\.ts)$/,
  },
];

const TEXTS = /\.(?:ts|js|mjs|cjs|md)$/;
/** Generated, or lists of words. */
const EXCEPT = /^(?:docs\/api\/|scripts\/prose\.js$|docs\/glossary\.md$|CONTRIBUTING\.md$)|(?:^|\/)package-lock\.json$/;

/** The faults of one file, each with its line. */
function faultsOf(file) {
  const lines = fs.readFileSync(path.join(root, file), 'utf8').split('\n');
  return lines.flatMap((line, index) =>
    RULES.filter(({ pattern, but }) => pattern.test(line) && !but?.test(file)).map(
      ({ pattern, instead }) => `${file}:${index + 1}: "${pattern.exec(line)?.[0].trim()}": write ${instead}`,
    ),
  );
}

const wanted = process.argv.slice(2);
const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '--', ...wanted], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 1 << 26,
});
const files = listed.split('\n').filter((file) => TEXTS.test(file) && !EXCEPT.test(file));
const faults = files.filter((file) => fs.existsSync(path.join(root, file))).flatMap(faultsOf);
for (const fault of faults) console.error(fault);
if (faults.length > 0) {
  console.error(`${faults.length} places to rewrite`);
  process.exitCode = 1;
}
