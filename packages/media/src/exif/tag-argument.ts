/**
 * Names that exiftool does not treat as a plain group. `*` means All only in the first place. `MWG` loads a module that
 * changes the answers to all later requests of the process.
 */
const RESERVED_GROUPS = /^(\*|1?mwg)$/i;

/**
 * The argument that requests a tag from exiftool. Its first word is always ours, so that no name can be taken for an
 * option: some options contain a colon (`-g0:1`, `-progress:title`).
 * @param tag a name that passed the tag grammar of the contract
 */
export function tagArgument(tag: string): string {
  const words = tag.replace(/#$/, '').split(':');
  const name = words.pop() ?? '';
  return ['-All', ...words.map((group) => (RESERVED_GROUPS.test(group) ? 'All' : group)), name].join(':');
}
