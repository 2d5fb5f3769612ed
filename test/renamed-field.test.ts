/** The contract is the only place that names the fields of answers: the compiler finds each use of another name. */
import path from 'node:path';
import { projectRoot } from '@cl-server/testing';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/** Fields of the contract under other names, by file. */
const RENAMED: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'packages/contract/src/jobs/schemas.ts': [
    ['progress: z.int().min(0).max(100),\n    params:', 'percentage: z.int().min(0).max(100),\n    params:'],
  ],
  'packages/contract/src/jobs/lists.ts': [['auth_required: z.boolean()', 'requires_login: z.boolean()']],
};

/** One file of each room, with the field that it uses. */
const USERS = {
  'the service': ['services/compute/src/routes/info.ts', 'auth_required'],
  'the job engine': ['packages/jobs/src/record.ts', 'progress'],
  'the SDK': ['packages/client/src/jobs/state.ts', 'progress'],
  'the command line': ['apps/cli/src/views.ts', 'progress'],
} as const;

const absolute = (file: string): string => path.join(projectRoot, file);

/** The faults of each file in a compilation in which some files have another text. */
function faultsOf(files: readonly string[], texts: ReadonlyMap<string, string>): Map<string, string[]> {
  const { config } = ts.readConfigFile(absolute('tsconfig.base.json'), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, projectRoot);
  const all = { ...options, composite: false, declaration: false, declarationMap: false, noEmit: true };
  const sources: ts.CompilerOptions = {
    ...all,
    customConditions: ['cl-source'],
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
  };
  const host = ts.createCompilerHost(sources);
  const { readFile } = host;
  host.readFile = (name) => texts.get(name) ?? readFile(name);
  host.getSourceFile = (name, version) => {
    const text = host.readFile(name);
    return text === undefined ? undefined : ts.createSourceFile(name, text, version);
  };
  const program = ts.createProgram(files.map(absolute), sources, host);
  return new Map(
    files.map((file) => [
      file,
      program
        .getSemanticDiagnostics(program.getSourceFile(absolute(file)))
        .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' ')),
    ]),
  );
}

describe('a field that has another name in the contract', () => {
  const files = Object.values(USERS).map(([file]) => file);
  const texts = new Map(
    Object.entries(RENAMED).map(([file, changes]) => {
      const text = ts.sys.readFile(absolute(file)) ?? expect.fail(`${file} is missing`);
      for (const [before] of changes) expect(text).toContain(before);
      return [absolute(file), changes.reduce((changed, [before, after]) => changed.replace(before, after), text)];
    }),
  );
  const before = faultsOf(files, new Map());
  const after = faultsOf(files, texts);

  it.each(Object.entries(USERS))('does not compile in %s', (_room, [file, field]) => {
    expect(before.get(file)).toEqual([]);
    expect(after.get(file)).toContainEqual(expect.stringContaining(`'${field}'`));
  });
});
