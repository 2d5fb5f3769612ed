/**
 * Completion scripts for shells. For every command, a script holds the words that can follow it, its options, and the values
 * of options that accept only certain words. Everything else is completed as a file name.
 */
import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Word {
  readonly word: string;
  readonly text: string;
}

/** The kinds of values that a script asks the program for, because they change. */
export const DYNAMIC_VALUES = ['tasks', 'profiles'] as const;
export type DynamicValues = (typeof DYNAMIC_VALUES)[number];

/** The program prints the values of a kind, one per line. */
const askFor = (kind: DynamicValues): string => `cl-client completion --values ${kind} 2>/dev/null`;

/** The commands whose first argument is such a value. */
const DYNAMIC_ARGUMENTS: Readonly<Record<string, DynamicValues>> = {
  run: 'tasks',
  tasks: 'tasks',
  'config use': 'profiles',
};
const DYNAMIC_OPTIONS: Readonly<Record<string, DynamicValues>> = { '--profile': 'profiles', '--task': 'tasks' };

interface OptionWord extends Word {
  readonly takesValue: boolean;
  /** The accepted values; empty if any value is accepted. */
  readonly values: readonly string[];
}

/** The words that can follow a sequence of command words. */
interface Node {
  /** The command words so far, joined by a space; empty for the program itself. */
  readonly path: string;
  readonly words: readonly Word[];
  readonly options: readonly OptionWord[];
  /** Whether the words are commands, which lead to another node. If not, they are values of an argument. */
  readonly hasChildren: boolean;
}

const optionWord = ({ long, description, required, optional, argChoices }: Option): OptionWord[] =>
  long ? [{ word: long, text: description, takesValue: required || optional, values: argChoices ?? [] }] : [];

/** Every command accepts the general options of the program but hides them, so they are offered once for all. */
function nodes(command: Command, path = ''): Node[] {
  const subcommands = command.commands.filter(({ _hidden }: Command & { _hidden?: boolean }) => !_hidden);
  const values = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  const own: Node = {
    path,
    words: [
      ...subcommands.map((sub) => ({ word: sub.name(), text: sub.description() })),
      ...values.map((word) => ({ word, text: '' })),
    ],
    options: command.options.filter(({ hidden }) => !hidden).flatMap(optionWord),
    hasChildren: subcommands.length > 0,
  };
  return [own, ...subcommands.flatMap((sub) => nodes(sub, path === '' ? sub.name() : `${path} ${sub.name()}`))];
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const plain = (text: string): string => text.replace(/[:[\]'"\\`$]/g, ' ').slice(0, 80);
const list = (words: readonly Word[]): string => words.map(({ word }) => word).join(' ');

/** Returns the arms of a `case` over `path previous-word`, for values of options, and for arguments that the program knows. */
function valueCases(
  all: readonly Node[],
  general: readonly OptionWord[],
  body: (values: readonly string[]) => string,
  ask: (kind: DynamicValues) => string,
): string {
  const arm = (pattern: string, { word, values }: OptionWord): string[] => {
    const kind = DYNAMIC_OPTIONS[word];
    if (values.length === 0 && kind === undefined) return [];
    return [`    ${pattern}${quoted(` ${word}`)}) ${kind === undefined ? body(values) : ask(kind)} ;;`];
  };
  // The first argument follows the last word of the command.
  const first = Object.entries(DYNAMIC_ARGUMENTS).map(
    ([path, kind]) => `    ${quoted(`${path} ${path.split(' ').at(-1)}`)}) ${ask(kind)} ;;`,
  );
  return [
    ...first,
    ...all.flatMap(({ path, options }) => options.flatMap((option) => arm(quoted(path), option))),
    ...general.flatMap((option) => arm('*', option)),
  ].join('\n');
}

function bash(all: readonly Node[], general: readonly OptionWord[]): string {
  const words = all.map(({ path, words }) => `    ${quoted(path)}) printf '%s' ${quoted(list(words))} ;;`);
  const options = all.map(({ path, options }) => `    ${quoted(path)}) printf '%s' ${quoted(list(options))} ;;`);
  const paths = all.map(({ path }) => quoted(path)).join(' | ');
  return `_cl_client_general=${quoted(list(general))}
_cl_client_words() {
  case $1 in
${words.join('\n')}
  esac
}
_cl_client_options() {
  case $1 in
${options.join('\n')}
  esac
}
_cl_client_values() {
  case $1 in
${valueCases(all, general, (values) => `printf '%s' ${quoted(values.join(' '))}`, askFor)}
  esac
}
_cl_client() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path='' words i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${path:+$path }\${COMP_WORDS[i]}" in
      ${paths}) path="\${path:+$path }\${COMP_WORDS[i]}" ;;
    esac
  done
  words=$(_cl_client_values "$path $previous")
  if [[ -z $words ]]; then
    if [[ $current == -* ]]; then words="$(_cl_client_options "$path") $_cl_client_general"; else words=$(_cl_client_words "$path"); fi
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ -z $words && $current != -* ]]; then
    # mapfile is not used: the bash of macOS does not have it.
    while IFS= read -r i; do COMPREPLY+=("$i"); done < <(compgen -f -- "$current")
  fi
}
complete -o filenames -F _cl_client cl-client
`;
}

function zsh(all: readonly Node[], general: readonly OptionWord[]): string {
  const array = (words: readonly Word[]): string =>
    `list=(${words.map(({ word, text }) => quoted(text === '' ? word : `${word}:${plain(text)}`)).join(' ')})`;
  const everywhere = array(general).replace('list=', 'list+=');
  const words = all.map(({ path, words }) => `    ${quoted(path)}) ${array(words)} ;;`);
  const options = all.map(({ path, options }) => `    ${quoted(path)}) ${array(options)} ;;`);
  return `#compdef cl-client
_cl_client_words() {
  list=()
  case $1 in
${words.join('\n')}
  esac
}
_cl_client_options() {
  list=()
  case $1 in
${options.join('\n')}
  esac
  ${everywhere}
}
_cl_client_values() {
  list=()
  case $1 in
${valueCases(
  all,
  general,
  (values) => `list=(${values.map(quoted).join(' ')})`,
  (kind) => `list=(\${(f)"$(${askFor(kind)})"})`,
)}
  esac
}
_cl_client() {
  local at='' i
  local -a list paths
  paths=(${all.map(({ path }) => quoted(path)).join(' ')})
  for ((i = 2; i < CURRENT; i++)); do
    (( \${paths[(Ie)\${at:+$at }\${words[i]}]} )) && at="\${at:+$at }\${words[i]}"
  done
  _cl_client_values "$at \${words[CURRENT-1]}"
  if (( ! \${#list} )); then
    if [[ \${words[CURRENT]} == -* ]]; then _cl_client_options "$at"; else _cl_client_words "$at"; fi
  fi
  if (( \${#list} )); then _describe 'cl-client' list; else _files; fi
}
compdef _cl_client cl-client
`;
}

function fish(all: readonly Node[], general: readonly OptionWord[]): string {
  const said = ({ text }: Word): string => (text === '' ? '' : ` -d ${quoted(plain(text))}`);
  const value = ({ word, takesValue, values }: OptionWord): string => {
    const kind = DYNAMIC_OPTIONS[word];
    if (kind !== undefined) return ` -x -a ${quoted(`(${askFor(kind)})`)}`;
    return values.length > 0 ? ` -x -a ${quoted(values.join(' '))}` : takesValue ? ' -r' : '';
  };
  const lines = all.flatMap(({ path, words, options, hasChildren }) => {
    const here = `complete -c cl-client -n "__cl_client_at ${quoted(path)}"`;
    return [
      ...(hasChildren ? [`${here} -f`] : []),
      ...(DYNAMIC_ARGUMENTS[path] ? [`${here} -a ${quoted(`(${askFor(DYNAMIC_ARGUMENTS[path])})`)}`] : []),
      ...words.map((word) => `${here} -f -a ${word.word}${said(word)}`),
      ...options.map((option) => `${here} -l ${option.word.slice(2)}${value(option)}${said(option)}`),
    ];
  });
  return `function __cl_client_at
  set -l paths ${all.map(({ path }) => quoted(path)).join(' ')}
  set -l at ''
  for word in (commandline -opc)[2..-1]
    set -l next (string trim "$at $word")
    contains -- $next $paths; and set at $next
  end
  test "$at" = "$argv[1]"
end
${general.map((option) => `complete -c cl-client -l ${option.word.slice(2)}${value(option)}${said(option)}`).join('\n')}
${lines.join('\n')}
`;
}

/** Returns a script that a shell reads to complete commands, options and values. */
export function completionScript(program: Command, shell: Shell): string {
  const [top, ...rest] = nodes(program);
  const hidden = new Set(program.commands[0]?.options.flatMap((option) => (option.hidden ? [option.long] : [])));
  const options = top?.options ?? [];
  const all = [...(top ? [{ ...top, options: options.filter(({ word }) => !hidden.has(word)) }] : []), ...rest];
  return { bash, zsh, fish }[shell](
    all,
    options.filter(({ word }) => hidden.has(word)),
  );
}
