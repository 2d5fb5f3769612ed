import { wrongUsage } from './arguments.js';
import { jsonText, type ModelsInput, rowsOf } from './command.js';

/** Prints where a model's verified file lies. Exit code 1, and what to do, where there is none. */
export async function showPath({ store, args, print }: ModelsInput): Promise<void> {
  const [word, ...more] = args.words;
  if (word === undefined || more.length > 0) throw wrongUsage('models path needs one id or role');
  for (const { manifest, path } of rowsOf(await store.list(), [word])) {
    const file = path ?? (await store.require(manifest));
    print(args.json ? jsonText({ id: manifest.id, path: file }) : `${file}\n`);
  }
}
