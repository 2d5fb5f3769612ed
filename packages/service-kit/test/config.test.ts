import fs from 'node:fs';
import path from 'node:path';
import { type TempDir, tempDir } from '@cl-server/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { databaseSettings } from '../src/config/database-settings.js';
import { loadConfig } from '../src/config/load.js';
import { mqttSettings } from '../src/config/mqtt-settings.js';
import { suggestion } from '../src/config/nearest.js';
import { asBytes, asDatabaseUrl, shownUrl } from '../src/config/setting.js';

const secretUrl = (env: string) => ({ env, parse: asDatabaseUrl, secret: true, help: 'A database' }) as const;
const settings = {
  workerDatabaseUrl: secretUrl('WORKER_DATABASE_URL'),
  storeDatabaseUrl: secretUrl('STORE_DATABASE_URL'),
  ...databaseSettings,
  mqttUrl: mqttSettings.mqttUrl,
  mqttPassword: mqttSettings.mqttPassword,
};
let dir: TempDir;
beforeEach(() => {
  dir = tempDir('cl-config-');
});
afterEach(() => dir.remove());

const load = (env: Record<string, string>, argv: readonly string[] = []) =>
  loadConfig({ program: 'p', description: 'd', settings, argv, env: { CL_SERVER_DIR: dir.path, ...env } });
const write = (name: string, text: string): string => {
  fs.writeFileSync(path.join(dir.path, name), text);
  return path.join(dir.path, name);
};

describe('a suggestion', () => {
  it.each([
    ['prot', ['port', 'host', 'auth-port'], ', did you mean --port or --auth-port?'],
    ['dta-dir', ['data-dir', 'host'], ', did you mean --data-dir?'],
    ['data', ['data-dir', 'host'], ', did you mean --data-dir?'],
    ['wrokers', ['workers'], ', did you mean --workers?'],
    ['something-else', ['port', 'host'], ''],
    ['x'.repeat(100_000), ['port'], ''],
  ])('for %.20s', (word, known, expected) => expect(suggestion(word, known, '--')).toBe(expected));
});

describe('secrets', () => {
  it.each(['DATABASE_URL', 'STORE_DATABASE_URL', 'WORKER_DATABASE_URL', 'MQTT_URL', 'MQTT_PASSWORD'])(
    '%s comes from a file too, named by the environment or by config.yaml; the setting itself is stronger',
    (name) => {
      const isUrl = name.endsWith('_URL');
      const value = (word: string): string =>
        isUrl ? `${name === 'MQTT_URL' ? 'mqtt' : 'postgres'}://u:${word}@host/db` : word;
      const key = Object.entries(settings).find(([, setting]) => setting.env === name)?.[0] as keyof typeof settings;
      const file = write('secret', `${value('of-the-file')}\n`);
      expect(load({ [`${name}_FILE`]: file }).values[key]).toBe(value('of-the-file'));
      expect(load({ [`${name}_FILE`]: file, [name]: value('given') }).values[key]).toBe(value('given'));
      write('config.yaml', `${name.toLowerCase()}_file: ${file}\n`);
      expect(load({}).values[key]).toBe(value('of-the-file'));
    },
  );

  it('are never shown where they are wrong, wherever they come from', () => {
    const wrong = 'postgress://u:hunter2@host/db';
    write('config.yaml', `worker_database_url: ${wrong}\n`);
    const file = write('secret', wrong);
    let message = '';
    try {
      load({ DATABASE_URL: wrong, STORE_DATABASE_URL_FILE: file, MQTT_PASSWORD_FILE: '/not/there' }, [
        `--mqtt-url=${wrong}`,
      ]);
    } catch (error) {
      message = String(error);
    }
    for (const source of [
      'DATABASE_URL:',
      'STORE_DATABASE_URL_FILE:',
      'config.yaml: worker_database_url:',
      '--mqtt-url:',
    ])
      expect(message).toContain(`${source} expected a URL beginning`);
    expect(message).toContain('MQTT_PASSWORD_FILE: /not/there cannot be read (ENOENT)');
    expect(message).not.toContain('hunter2');
  });

  it('are left out of a URL that is shown', () => {
    expect(shownUrl('mqtts://u:hunter2@host:8883/?token=hunter2')).toBe('mqtts://host:8883');
    expect(shownUrl('hunter2')).toBe('(not a URL)');
  });
});

it('a size may have spaces around its number, but not in it', () => {
  expect([' 5 MB ', '2GiB', '1000000'].map(asBytes)).toEqual([5_000_000, 2 * 1024 ** 3, 1_000_000]);
  for (const text of ['1 2MB', '5M B', 'MB']) expect(() => asBytes(text)).toThrow('a size such as 500MB');
});
