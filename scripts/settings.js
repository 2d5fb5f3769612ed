/** Writes the table of all settings into docs/guides/configuration.md: node scripts/settings.js [--check]. Needs a build. */
import fs from 'node:fs';
import path from 'node:path';
import { brokerSettings } from '../apps/server/dist/broker/settings.js';
import { launcherSettings } from '../apps/server/dist/settings.js';
import { insightSettings } from '../packages/insight/dist/worker/settings.js';
import { workerSettings } from '../packages/worker/dist/settings.js';
import { AUTH_SETTINGS } from '../services/auth/dist/settings.js';
import { computeSettings } from '../services/compute/dist/settings.js';
import { storeSettings } from '../services/store/dist/settings.js';

const FILE = path.resolve(import.meta.dirname, '../docs/guides/configuration.md');
const BEGIN = '<!-- settings: written by scripts/settings.js -->';
const END = '<!-- /settings -->';

/** The help of a setting is that of the first program which has it. */
const PROGRAMS = {
  launcher: launcherSettings,
  store: storeSettings,
  compute: computeSettings,
  worker: workerSettings,
  insight: insightSettings,
  auth: AUTH_SETTINGS,
  broker: brokerSettings,
};

/** Every setting by its variable, with the programs that have it. */
function settingsByName() {
  const found = new Map();
  for (const [program, table] of Object.entries(PROGRAMS))
    for (const setting of Object.values(table)) {
      const uses = found.get(setting.env) ?? [];
      found.set(setting.env, [...uses, { program, setting }]);
    }
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

const BYTES = /_BYTES$|_MEMORY$/;
const UNITS = [
  [1e9, 'GB'],
  [1e6, 'MB'],
];

function defaultOf({ env, default: value, defaultText, isSwitch }) {
  if (defaultText !== undefined) return defaultText;
  if (isSwitch) return value === true ? 'on' : value === false ? 'off' : '';
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return '';
  const unit = BYTES.test(env) ? UNITS.find(([size]) => value >= size) : undefined;
  return unit ? `${value / unit[0]} ${unit[1]}` : `\`${value}\``;
}

/** A flag of the launcher works with `npm start`; other flags only if the program is started by hand. */
function flagsOf(uses) {
  const flags = new Map();
  for (const { program, setting } of uses)
    if (setting.flag !== undefined) flags.set(setting.flag, [...(flags.get(setting.flag) ?? []), program]);
  return [...flags].map(([flag, programs]) =>
    programs.includes('launcher') ? `\`--${flag}\`` : `\`--${flag}\` (${programs.join(', ')})`,
  );
}

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

function row([env, uses]) {
  const { setting } = uses[0];
  const programs = uses.length === Object.keys(PROGRAMS).length ? 'all' : uses.map(({ program }) => program).join(', ');
  const help = setting.secret ? `${setting.help} (secret)` : setting.help;
  return `| \`${env}\` | ${flagsOf(uses).join(', ')} | ${defaultOf(setting)} | ${programs} | ${cell(help)} |`;
}

const table = [
  '| variable | flag | default | programs | |',
  '|---|---|---|---|---|',
  ...settingsByName().map(row),
].join('\n');

const before = fs.readFileSync(FILE, 'utf8');
const [head, tail] = [before.indexOf(BEGIN), before.indexOf(END)];
if (head < 0 || tail < head) throw new Error(`docs/guides/configuration.md needs the lines ${BEGIN} and ${END}`);
const after = `${before.slice(0, head + BEGIN.length)}\n\n${table}\n\n${before.slice(tail)}`;
if (!process.argv.includes('--check')) fs.writeFileSync(FILE, after);
else if (after !== before) {
  console.error('docs/guides/configuration.md is out of date: run "node scripts/settings.js".');
  process.exitCode = 1;
}
