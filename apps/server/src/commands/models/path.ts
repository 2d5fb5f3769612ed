import { wrongUsage } from './arguments.js';
import { jsonText, type ModelsInput, rowsOf } from './command.js';

/** Prints the path of a model's verified file. If there is none, the exit code is 1 and the message says what to do. */
export async function showPath({ store, args, print }: ModelsInput): Promise<void> {
  const [word, ...more] = args.words;
  if (word === undefined || more.length > 0) throw wrongUsage('models path needs one id or role');
  for (const { manifest, path } of rowsOf(await store.list(), [word])) {
    const file = path ?? (await store.require(manifest));
    print(args.json ? jsonText({ id: manifest.id, path: file }) : `${file}\n`);
  }
}
