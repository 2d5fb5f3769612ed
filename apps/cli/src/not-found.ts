/** Names what was not found: the server's own message often does not, and with several ids that matters. */

/** The nouns of the paths of resources. */
const RESOURCES: readonly (readonly [RegExp, string])[] = [
  [/\/entities\/(\d+)/, 'entity'],
  [/\/known-persons\/(\d+)/, 'person'],
  [/\/faces\/(\d+)/, 'face'],
  [/\/users\/(\d+)/, 'user'],
  [/\/jobs\/([\w-]+)/, 'job'],
];

const capitalised = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Returns the message of a response with the status 404, with the name of what is missing. */
export function notFoundMessage(message: string, url: string): string {
  const subject = /^(\D+?) not found$/i.exec(message)?.[1]?.toLowerCase();
  if (message === 'Not Found') return `${url} does not exist; is this the address of the right service?`;
  if (subject === undefined) return message;
  for (const [pattern, noun] of RESOURCES) {
    const id = pattern.exec(url)?.[1];
    if (id === undefined) continue;
    const isResource = subject === noun || subject.endsWith(` ${noun}`);
    return isResource
      ? `${capitalised(noun)} ${id} was not found`
      : `${capitalised(subject)} of ${noun} ${id} was not found`;
  }
  return message;
}
