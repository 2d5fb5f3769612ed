import fs from 'node:fs';
import path from 'node:path';
import { SECRET_NAMES, SETTING_NAMES } from '@cl-server/contract';
import { projectRoot } from '@cl-server/testing';
import { expect, it } from 'vitest';

/** The names of the settings that the sources of all programs define. */
function definedNames(): string[] {
  const names = new Set(['AUTH_PORT', 'STORE_PORT', 'COMPUTE_PORT']); // these names are composed by functions
  for (const floor of ['packages', 'services', 'apps'])
    for (const file of sources(path.join(projectRoot, floor)))
      for (const [, name] of fs.readFileSync(file, 'utf8').matchAll(/\benv: '([A-Z][A-Z0-9_]*)'/g))
        if (name) names.add(name);
  names.delete('CL_SERVER_DIR'); // config.yaml is in this folder, so it cannot set the folder
  return [...names].toSorted();
}

const sources = (folder: string): string[] =>
  fs
    .readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /^[^/]+\/src\/.*\.ts$/.test(file))
    .map((file) => path.join(folder, file));

it('every program knows the names of all settings, so that one config.yaml can hold them', () => {
  expect([...SETTING_NAMES].toSorted()).toEqual(definedNames());
});

it('every secret setting is known as one, so that config.yaml may name its file', () => {
  const secrets = new Set<string>();
  for (const floor of ['packages', 'services', 'apps'])
    for (const file of sources(path.join(projectRoot, floor)))
      for (const [, name] of fs
        .readFileSync(file, 'utf8')
        .matchAll(/\benv: '([A-Z][A-Z0-9_]*)',(?:(?!\benv:)[^}])*\bsecret: true/g))
        if (name) secrets.add(name);
  expect([...secrets].toSorted()).toEqual([...SECRET_NAMES].toSorted());
});
