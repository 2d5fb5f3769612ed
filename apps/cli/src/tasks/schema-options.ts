import { CliError, EXIT } from '../exit-codes.js';

interface Property {
  readonly type?: string;
  readonly enum?: readonly unknown[];
}

const wordsOf = (properties: Readonly<Record<string, Property>>): string =>
  Object.keys(properties)
    .map((name) => `--${name.replaceAll('_', '-')}`)
    .join(', ') || 'none';

function checkedValue(name: string, { type, enum: choices }: Property, text: string): unknown {
  if (choices && !choices.map(String).includes(text))
    throw new CliError(`--${name} must be one of ${choices.join(', ')}`, EXIT.usage);
  if (type === 'integer' && !/^-?\d+$/.test(text)) throw new CliError(`--${name} must be a whole number`, EXIT.usage);
  if (type === 'number' && !Number.isFinite(Number(text || 'x')))
    throw new CliError(`--${name} must be a number`, EXIT.usage);
  return text;
}

/**
 * Parses the options of a task that this program does not know, by the JSON Schema of the task: `--name value`,
 * `--name=value`, and `--name` or `--no-name` for a boolean field.
 * @returns the form fields, and the words that are not options
 */
export function schemaOptions(
  schema: Readonly<Record<string, unknown>>,
  words: readonly string[],
): { params: Record<string, unknown>; rest: string[] } {
  const properties = (schema.properties ?? {}) as Readonly<Record<string, Property>>;
  const params: Record<string, unknown> = {};
  const rest: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word === '--') {
      rest.push(...words.slice(i + 1));
      break;
    }
    const option = /^--(no-)?([^=]+)(?:=(.*))?$/s.exec(word);
    if (!option) {
      rest.push(word);
      continue;
    }
    const [, no, name = '', given] = option;
    const field = [name, name.replaceAll('-', '_')].find((candidate) => candidate in properties);
    const property = field === undefined ? undefined : properties[field];
    if (field === undefined || !property)
      throw new CliError(`The task has no option --${name}; its options are ${wordsOf(properties)}`, EXIT.usage);
    if (property.type === 'boolean' && given === undefined) params[field] = no === undefined;
    else {
      const text = given ?? words[++i];
      if (text === undefined) throw new CliError(`--${name} needs a value`, EXIT.usage);
      params[field] = checkedValue(name, property, text);
    }
  }
  return { params, rest };
}
