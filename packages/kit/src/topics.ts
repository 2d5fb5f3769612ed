/**
 * Whether an MQTT topic matches a filter with the wildcards `+` and `#` (MQTT 3.1.1, section 4.7). A filter that begins
 * with a wildcard does not match topics that begin with `$`. `a/#` matches `a` itself too.
 *
 * @example
 * ```ts
 * const isWorker = sdk.topicMatches('inference/workers/+', 'inference/workers/w1');
 * ```
 */
export function topicMatches(filter: string, topic: string): boolean {
  if (filter === topic) return true;
  const pattern = filter.split('/');
  const levels = topic.split('/');
  if (topic.startsWith('$') && (pattern[0] === '#' || pattern[0] === '+')) return false;
  for (const [index, part] of pattern.entries()) {
    if (part === '#') return true;
    if (index >= levels.length || (part !== '+' && part !== levels[index])) return false;
  }
  return pattern.length === levels.length;
}
