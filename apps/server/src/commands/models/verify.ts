import { StartupError } from '@cl-server/service-kit';
import { table } from '../table.js';
import { inUse, jsonText, type ModelsInput, rowsOf } from './command.js';

/** The exit code is 1 if a model is missing, damaged, or fails its self-test. */
export async function verify({ store, args, print, interrupted }: ModelsInput): Promise<void> {
  const all = await store.list(interrupted);
  const chosen = args.all ? all : args.words.length > 0 ? rowsOf(all, args.words) : inUse(all);
  const checked: { readonly id: string; readonly good: boolean; readonly text: string }[] = [];
  for (const { manifest } of chosen) {
    interrupted.throwIfAborted();
    const fault = await store.verify(manifest);
    checked.push({ id: manifest.id, good: fault === undefined, text: fault ?? 'verified, self-test passed' });
  }
  if (args.json) print(jsonText(checked.map(({ id, good, text }) => ({ id, good, ...(!good && { reason: text }) }))));
  else
    print(
      table(
        ['model', '', ''],
        checked.map(({ id, good, text }) => [id, good ? 'ok' : 'BAD', text]),
      ),
    );
  const bad = checked.filter(({ good }) => !good);
  if (bad.length > 0) throw new StartupError(`not usable: ${bad.map(({ id }) => id).join(', ')}`);
}
