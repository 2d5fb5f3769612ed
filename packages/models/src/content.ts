/** Decides whether two models may have the same id, because their vectors would be compared with each other. */
import type { ModelContent, ModelManifest } from '@cl-server/contract';
import { CATALOGUE } from './catalogue.js';

/** The hash under which the catalogue knows equal content in another serialization. */
const canonical = (sha256: string): string =>
  CATALOGUE.find(({ equivalents }) => equivalents.some((other) => other.sha256 === sha256))?.sha256 ?? sha256;

/** @param tokenizer SHA-256 of a text model's own tokenizer; undefined if it names one of the catalogue */
export function contentOf(manifest: ModelManifest, tokenizer?: string): ModelContent {
  const { id, version, preprocessing_version, sha256, input, output, preprocessing } = manifest;
  const named = preprocessing?.kind === 'text' ? preprocessing.tokenizer : undefined;
  const vocabulary = tokenizer ?? CATALOGUE.find((entry) => entry.id === named)?.sha256;
  return {
    id,
    version,
    preprocessing_version,
    sha256: canonical(sha256),
    ...(vocabulary !== undefined && { tokenizer_sha256: canonical(vocabulary) }),
    ...(input !== undefined && { input }),
    ...(output !== undefined && { output }),
    preprocessing,
  };
}

const sameName = (a: ModelContent, b: ModelContent): boolean =>
  a.id === b.id && a.version === b.version && a.preprocessing_version === b.preprocessing_version;

/** The name of the tokenizer does not matter: its bytes are compared. Keys have the order of the schema. */
function preprocessingText({ preprocessing }: ModelContent): string {
  const { tokenizer: _, ...rest } =
    preprocessing?.kind === 'text' ? preprocessing : { ...preprocessing, tokenizer: '' };
  return JSON.stringify(rest);
}

/** A value that an older release did not store is not a difference. */
const differ = (a: string | undefined, b: string | undefined): boolean => a !== undefined && b !== undefined && a !== b;

const differences = (a: ModelContent, b: ModelContent): readonly string[] => [
  ...(a.sha256 === b.sha256 ? [] : ['other bytes']),
  ...(preprocessingText(a) === preprocessingText(b) ? [] : ['other preprocessing']),
  ...(differ(a.tokenizer_sha256, b.tokenizer_sha256) ? ['another tokenizer'] : []),
  ...(differ(a.input, b.input) ? ['another input'] : []),
  ...(differ(a.output, b.output) ? ['another output'] : []),
];

/** @throws Error if the id with its versions already stands for other content */
export function assertOwnName(content: ModelContent, known: readonly ModelContent[]): void {
  for (const other of known) {
    if (!sameName(content, other)) continue;
    const [difference] = differences(content, other);
    if (difference === undefined) continue;
    const { id, version, preprocessing_version } = content;
    throw new Error(
      `the id ${id} with version "${version}" and preprocessing_version "${preprocessing_version}" already stands for a model with ` +
        `${difference}, and vectors of the two must not be compared: give this one another id, version or ` +
        'preprocessing_version in its manifest',
    );
  }
}

/** The list with this content, which is added unless it is there. */
export function withContent(known: readonly ModelContent[], content: ModelContent): ModelContent[] {
  const text = JSON.stringify(content);
  return known.some((other) => JSON.stringify(other) === text) ? [...known] : [...known, content];
}
