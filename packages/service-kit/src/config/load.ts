/**
 * Configuration: flags > environment > `config.yaml` > defaults. All faults are collected
 * before any is printed, so that a person can fix them in one go.
 */

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { SECRET_NAMES, SETTING_NAMES } from '@cl-server/contract/setting-names';
import { errorCode, isMissing, messageOf } from '@cl-server/kit';
import { StartupError } from '../errors.js';
import { load } from '../lazy.js';
import { suggestion } from './nearest.js';
import type { Setting, Settings, Values } from './setting.js';

export interface ConfigSources {
  /** Arguments after the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface LoadOptions<S extends Settings> extends ConfigSources {
  /** The program's name, for messages and help. */
  readonly program: string;
  readonly description: string;
  readonly settings: S;
  /** Folder whose `config.yaml` is read where neither flag nor environment names the data folder. */
  readonly configFolder?: string;
}

export interface LoadedConfig<S extends Settings> {
  readonly values: Values<S>;
  readonly positionals: readonly string[];
  /** Help was asked for; the text is in `help`. */
  readonly helpWanted: boolean;
  readonly help: string;
}

interface Flag {
  readonly name: string;
  readonly key: string;
}

function flagsOf(settings: Settings): Flag[] {
  return Object.entries(settings).flatMap(([key, setting]) =>
    [setting.flag, ...(setting.flagAliases ?? [])]
      .filter((name): name is string => name !== undefined)
      .map((name) => ({ name, key })),
  );
}

function readFlags(
  settings: Settings,
  argv: readonly string[],
): { given: Map<string, string>; positionals: string[]; help: boolean; faults: string[] } {
  const flags = flagsOf(settings);
  const options = Object.fromEntries(
    flags.map(({ name, key }) => {
      const setting = settings[key] as Setting<unknown>;
      const short = name === setting.flag ? setting.short : undefined;
      return [
        name,
        {
          type: setting.isSwitch ? ('boolean' as const) : ('string' as const),
          ...(short !== undefined && { short }),
        },
      ];
    }),
  );
  const given = new Map<string, string>();
  const positionals: string[] = [];
  const faults: string[] = [];
  let help = false;
  const { tokens } = parseArgs({
    args: [...argv],
    options: { ...options, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    if (token.name === 'help') {
      help = true;
      continue;
    }
    const flag = flags.find(({ name }) => name === token.name);
    if (!flag) {
      const names = flags.map(({ name }) => name);
      faults.push(`unknown option ${token.rawName}${suggestion(token.name, names, '--') || '; --help lists them all'}`);
      continue;
    }
    const isSwitch = settings[flag.key]?.isSwitch === true;
    if (!isSwitch && token.value === undefined) faults.push(`${token.rawName} needs a value`);
    else given.set(flag.key, isSwitch ? (token.value ?? 'true') : (token.value ?? ''));
  }
  return { given, positionals, help, faults };
}

function readYaml(folder: string | undefined): { values: Map<string, string>; faults: string[] } {
  const values = new Map<string, string>();
  if (folder === undefined) return { values, faults: [] };
  const file = path.join(folder, 'config.yaml');
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    // ENOTDIR: the data folder itself is wrong, and is checked by who opens it.
    if (isMissing(error)) return { values, faults: [] };
    return { values, faults: [`config.yaml cannot be read: ${messageOf(error)}`] };
  }
  try {
    const yaml = load('yaml') as typeof import('yaml');
    const parsed: unknown = yaml.parse(text) ?? {};
    if (typeof parsed !== 'object' || Array.isArray(parsed) || parsed === null)
      return { values, faults: ['config.yaml must be a list of "key: value" lines'] };
    for (const [key, value] of Object.entries(parsed))
      values.set(key.toUpperCase(), Array.isArray(value) ? value.join(',') : String(value));
  } catch (error) {
    return { values, faults: [`config.yaml is not valid YAML: ${messageOf(error).split('\n')[0]?.replace(/:$/, '')}`] };
  }
  return { values, faults: [] };
}

function readSecretFile(name: string, file: string | undefined, faults: string[]): string | undefined {
  if (file === undefined || file === '') return undefined;
  try {
    return fs.readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    faults.push(`${name}_FILE: ${file} cannot be read (${errorCode(error)})`);
    return undefined;
  }
}

function folderOf(
  { settings, env, configFolder }: LoadOptions<Settings>,
  given: Map<string, string>,
): string | undefined {
  const key = Object.keys(settings).find((name) => settings[name]?.env === 'CL_SERVER_DIR');
  return (key && given.get(key)) || env['CL_SERVER_DIR'] || configFolder;
}

/**
 * Reads a program's settings from all their sources.
 * @throws StartupError naming every fault, exit code 2
 */
export function loadConfig<const S extends Settings>(options: LoadOptions<S>): LoadedConfig<S> {
  const { settings, env } = options;
  const flags = readFlags(settings, options.argv);
  const help = helpText(options);
  if (flags.help) return { values: {} as Values<S>, positionals: flags.positionals, helpWanted: true, help };
  const yaml = readYaml(folderOf(options, flags.given));
  const faults = [...flags.faults, ...yaml.faults];
  const known = new Set([...Object.values(settings).map((setting) => setting.env), ...SETTING_NAMES]);
  for (const key of yaml.values.keys())
    if (!known.has(key) && !SECRET_NAMES.includes(key.replace(/_FILE$/, '')))
      faults.push(`config.yaml: unknown key ${key.toLowerCase()}${suggestion(key, [...known]).toLowerCase()}`);

  const values: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(settings)) {
    const fromEnv = env[setting.env];
    const candidates: [string, string | undefined][] = [
      [`--${setting.flag}`, flags.given.get(key)],
      [setting.env, fromEnv === '' ? undefined : fromEnv],
      [
        `${setting.env}_FILE`,
        setting.secret ? readSecretFile(setting.env, env[`${setting.env}_FILE`], faults) : undefined,
      ],
      [`config.yaml: ${setting.env.toLowerCase()}`, yaml.values.get(setting.env)],
      [
        `config.yaml: ${setting.env.toLowerCase()}_file`,
        setting.secret ? readSecretFile(setting.env, yaml.values.get(`${setting.env}_FILE`), faults) : undefined,
      ],
    ];
    const [source, text] = candidates.find(([, value]) => value !== undefined) ?? [];
    if (text === undefined) {
      if (setting.required && setting.default === undefined)
        faults.push(`${setting.env} is required${setting.flag ? ` (or --${setting.flag})` : ''}: ${setting.help}`);
      values[key] = setting.default;
      continue;
    }
    try {
      values[key] = setting.parse(text);
    } catch (error) {
      const shown = setting.secret ? '' : `, not "${text.slice(0, 100)}"`;
      faults.push(`${source}: ${messageOf(error)}${shown}`);
    }
  }
  if (faults.length > 0) throw new StartupError(faults.map((fault) => `${options.program}: ${fault}`).join('\n'), 2);
  return { values: values as Values<S>, positionals: flags.positionals, helpWanted: false, help };
}

function helpText({ program, description, settings }: LoadOptions<Settings>): string {
  const rows = Object.values(settings).map((setting): [string, string] => {
    const short = setting.short ? `-${setting.short}, ` : '';
    const name = setting.flag
      ? `${short}--${setting.flag}${setting.isSwitch ? '' : ' <value>'}`
      : `(${setting.env} only)`;
    const byDefault =
      setting.default === undefined || setting.isSwitch || setting.secret ? '' : ` [${String(setting.default)}]`;
    return [name, `${setting.help}${byDefault}${setting.flag ? ` (env ${setting.env})` : ''}`];
  });
  const width = Math.max(...rows.map(([name]) => name.length), 10);
  return [
    `${program}: ${description}`,
    '',
    `Usage: ${program} [options]`,
    '',
    ...rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`),
    `  ${'-h, --help'.padEnd(width)}  This text`,
    '',
  ].join('\n');
}
