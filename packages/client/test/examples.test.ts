/** Every public method has an example, and what doc comments and guide show compiles against the SDK as it is. */
import fs from 'node:fs';
import path from 'node:path';
import { projectRoot } from '@cl-server/testing';
import { Application, ReflectionKind, type SignatureReflection } from 'typedoc';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const ROOT = path.join(projectRoot, 'packages/client');
const SOURCES = path.join(ROOT, 'src');

/** Values that every example may use. */
const PRELUDE = `
import * as sdk from '@cl-server/client';
const {
  AuthClient, ClServer, ComputeClient, HttpClient, MqttConnection, SessionManager, StoreClient, JWTAuthProvider,
  createClient, distance, map, resolveUrls,
} = sdk;
declare const cl: sdk.ClServer;
declare const { auth, store, compute, session }: Pick<sdk.ClServer, 'auth' | 'store' | 'compute' | 'session'>;
declare const { password, token, jobId, sha256, uploadUrl }: Record<'password' | 'token' | 'jobId' | 'sha256' | 'uploadUrl', string>;
declare const jobIds: readonly string[];
declare const files: readonly string[];
declare const signal: AbortSignal;
`;

interface Example {
  readonly where: string;
  readonly code: string;
}

const blocks = (text: string): string[] => [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');

function examples(): Example[] {
  const files = fs.readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const inCode = files.flatMap((file) => {
    const text = fs.readFileSync(path.join(SOURCES, file), 'utf8');
    return blocks(text.replace(/^ *\* ?/gm, '')).map((code, i) => ({ where: `${file} ${i + 1}`, code }));
  });
  const inText = ['docs/guides/sdk.md', 'packages/client/README.md'].flatMap((file) =>
    blocks(fs.readFileSync(path.join(projectRoot, file), 'utf8')).map((code, i) => ({
      where: `${file} ${i + 1}`,
      code,
    })),
  );
  return [...inCode, ...inText];
}

/** An example in a scope of its own, so that its names do not meet the prelude's. */
const wrapped = (code: string): string =>
  `${PRELUDE}\nexport async function example() {\n${code.replace(/^import .*$/gm, '')}\n}\n`;

/** Schemas' helpers of the contract are exported as types alone: nobody can call them. */
const isOurs = ({ sources }: SignatureReflection): boolean =>
  sources?.some(({ fullFileName }) => fullFileName.startsWith(`${SOURCES}/`)) ?? false;

const hasExample = ({ comment }: SignatureReflection): boolean =>
  comment?.blockTags.some(
    ({ tag, content }) => tag === '@example' && content.some(({ text }) => /^```ts/m.test(text)),
  ) ?? false;

describe('examples', () => {
  const all = examples();

  it('are many', () => expect(all.length).toBeGreaterThan(150));

  it('are there for every public method and function', async () => {
    const application = await Application.bootstrap({
      options: path.join(ROOT, 'typedoc.json'),
      entryPoints: [path.join(SOURCES, 'index.ts')],
      tsconfig: path.join(ROOT, 'tsconfig.json'),
      // The place of a declaration shows whether it is ours; the reference itself links to no sources.
      disableSources: false,
      disableGit: true,
      sourceLinkTemplate: '{path}',
    });
    const project = (await application.convert()) ?? expect.fail('TypeDoc cannot read the sources');
    const callable = project
      .getReflectionsByKind(ReflectionKind.Method | ReflectionKind.Function)
      // An interface's methods are there to be written by its user.
      .filter(({ parent }) => parent?.kindOf(ReflectionKind.Interface) !== true)
      .flatMap((reflection) => (reflection.isDeclaration() ? (reflection.signatures ?? []) : []))
      .filter(isOurs);
    expect(callable.length).toBeGreaterThan(140);
    expect(callable.filter((one) => !hasExample(one)).map((one) => one.parent.getFullName())).toEqual([]);
  }, 60_000);

  it('compile', () => {
    const texts = new Map(all.map(({ code }, i) => [path.join(SOURCES, `example-${i}.ts`), wrapped(code)]));
    const options: ts.CompilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.dom.asynciterable.d.ts'],
      types: ['node'],
      typeRoots: [path.join(projectRoot, 'node_modules/@types')],
    };
    const host = ts.createCompilerHost(options);
    const { readFile, fileExists, getSourceFile } = host;
    host.readFile = (name) => texts.get(name) ?? readFile(name);
    host.fileExists = (name) => texts.has(name) || fileExists(name);
    host.getSourceFile = (name, version, ...rest) => {
      const text = texts.get(name);
      return text === undefined ? getSourceFile(name, version, ...rest) : ts.createSourceFile(name, text, version);
    };
    const program = ts.createProgram([...texts.keys()], options, host);
    const faults = [...texts.keys()].flatMap((name, i) => {
      const file = program.getSourceFile(name);
      return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
        ({ messageText }) => `${all[i]?.where}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
      );
    });
    expect(faults).toEqual([]);
  }, 60_000);
});
