/**
 * Groups that exiftool does not take for a plain group. `*` is All only in the first place. `MWG` loads a module that
 * changes, as long as the process lives, what everyone else is told.
 */
const TURNED = /^(\*|1?mwg)$/i;

/**
 * How exiftool is asked for a tag. The first word is always ours, so that no name can be taken for an option: some have
 * a colon in them (`-g0:1`, `-progress:title`).
 * @param tag a name that passed the tag grammar of the contract
 */
export function tagArgument(tag: string): string {
  const words = tag.replace(/#$/, '').split(':');
  const name = words.pop() ?? '';
  return ['-All', ...words.map((group) => (TURNED.test(group) ? 'All' : group)), name].join(':');
}
