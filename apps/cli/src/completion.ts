import type { Command } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** What can follow a sequence of command words. */
interface Node {
  /** The words so far, joined by a space; empty at the top. */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly text: string }[];
  readonly options: readonly { readonly word: string; readonly text: string }[];
}

function nodes(command: Command, path = ''): Node[] {
  const subcommands = command.commands.filter(({ _hidden }: Command & { _hidden?: boolean }) => !_hidden);
  const own: Node = {
    path,
    words: subcommands.map((sub) => ({ word: sub.name(), text: sub.description() })),
    options: command.options.flatMap(({ long, description }) => (long ? [{ word: long, text: description }] : [])),
  };
  return [own, ...subcommands.flatMap((sub) => nodes(sub, path === '' ? sub.name() : `${path} ${sub.name()}`))];
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const plain = (text: string): string => text.replace(/[:[\]'"\\`$]/g, ' ').slice(0, 80);

function bash(all: readonly Node[]): string {
  const cases = all
    .map(({ path, words, options }) => {
      const list = [...words, ...options].map(({ word }) => word).join(' ');
      return `    ${quoted(path)}) words=${quoted(list)} ;;`;
    })
    .join('\n');
  return `_cl_client() {
  local current=\${COMP_WORDS[COMP_CWORD]} path='' word words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case " $(_cl_client_words "$path") " in *" $word "*) case $word in -*) ;; *) path="\${path:+$path }$word" ;; esac ;; esac
  done
  words=$(_cl_client_words "$path")
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ \${#COMPREPLY[@]} -gt 0 || $current == -* ]] || COMPREPLY=($(compgen -f -- "$current"))
}
_cl_client_words() {
  local words=''
  case $1 in
${cases}
  esac
  printf '%s' "$words"
}
complete -o filenames -F _cl_client cl-client
`;
}

function zsh(all: readonly Node[]): string {
  const cases = all
    .map(({ path, words, options }) => {
      const list = [...words, ...options].map(({ word, text }) => quoted(`${word}:${plain(text)}`)).join(' ');
      return `    ${quoted(path)}) list=(${list}) ;;`;
    })
    .join('\n');
  return `#compdef cl-client
_cl_client_list() {
  list=()
  case $1 in
${cases}
  esac
}
_cl_client() {
  local at='' word i
  local -a list
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    _cl_client_list "$at"
    [[ $word != -* && -n \${(M)list:#$word:*} ]] && at="\${at:+$at }$word"
  done
  _cl_client_list "$at"
  _describe 'cl-client' list || _files
}
compdef _cl_client cl-client
`;
}

function fish(all: readonly Node[]): string {
  const lines = all.flatMap(({ path, words, options }) => {
    const here = `__cl_client_at ${quoted(path)}`;
    return [
      ...words.map(({ word, text }) => `complete -c cl-client -n "${here}" -f -a ${word} -d ${quoted(plain(text))}`),
      ...options.map(
        ({ word, text }) => `complete -c cl-client -n "${here}" -l ${word.slice(2)} -d ${quoted(plain(text))}`,
      ),
    ];
  });
  return `function __cl_client_at
  set -l words (commandline -opc)[2..-1]
  set -l path
  for word in $words
    string match -q -- '-*' $word; or set path $path $word
  end
  test "$path" = "$argv[1]"
end
${lines.join('\n')}
`;
}

/** A script that a shell reads to complete commands and options. */
export function completionScript(program: Command, shell: Shell): string {
  const all = nodes(program);
  return { bash, zsh, fish }[shell](all);
}
