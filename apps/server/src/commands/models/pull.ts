import { ModelMissing, type ModelRow } from '@cl-server/models';
import { StartupError } from '@cl-server/service-kit';
import { inUse, jsonText, type ModelsInput, megabytes, rowsOf } from './command.js';
import { progressBar } from './progress-bar.js';

type Pulled = { readonly id: string; readonly path: string } | { readonly id: string; readonly error: string };

async function pullOne(
  { store, args, print, interrupted, terminal }: ModelsInput,
  { manifest, path: present, included }: ModelRow,
): Promise<Pulled> {
  const { id } = manifest;
  const say = args.json ? () => undefined : print;
  say(`${id}: ${megabytes(manifest.size)}, licence ${manifest.license}, ${manifest.source}\n`);
  const bar = progressBar(terminal, id);
  try {
    const onWait = (): void => say(`${id}: waiting for another process that downloads it\n`);
    // The user's own file may be outside of MODELS_DIR.
    const path =
      (included && args.words.includes(id) ? undefined : present) ??
      (await store.pull(manifest, { onProgress: bar.show, onWait, signal: interrupted }));
    bar.clear();
    say(`${id}: verified, ${path}\n`);
    return { id, path };
  } catch (error) {
    bar.clear();
    if (!(error instanceof ModelMissing)) throw error;
    return { id, error: error.messageWith(args.dir) };
  }
}

/** The exit code is 1 if one of the models is unavailable; the others are downloaded nevertheless. */
export async function pull(input: ModelsInput): Promise<void> {
  const { store, args, print, interrupted } = input;
  const rows = await store.list(interrupted);
  const wanted = args.all ? rows : args.words.length > 0 ? rowsOf(rows, args.words) : inUse(rows);
  const pulled: Pulled[] = [];
  for (const row of wanted) pulled.push(await pullOne(input, row));
  if (args.json) print(jsonText(pulled));
  const faults = pulled.flatMap((one) => ('error' in one ? one.error : []));
  if (faults.length > 0) throw new StartupError(faults.join('\n'));
}
