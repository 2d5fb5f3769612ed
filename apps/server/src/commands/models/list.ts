import { table } from '../table.js';
import { jsonText, type ModelsInput, megabytes } from './command.js';

export async function list({ store, args, print }: ModelsInput): Promise<void> {
  const rows = await store.list();
  if (args.json) {
    print(
      jsonText(
        rows.map(({ manifest, serves, state, path }) => ({
          id: manifest.id,
          version: manifest.version,
          role: manifest.role,
          serves,
          state,
          path: path ?? null,
          file: manifest.file,
          size: manifest.size,
          sha256: manifest.sha256,
          license: manifest.license,
          source: manifest.source,
          dimension: manifest.dimension ?? null,
        })),
      ),
    );
    return;
  }
  print(
    table(
      ['model', 'state', 'serves', 'size', 'licence', 'from'],
      rows.map(({ manifest, serves, state }) => [
        manifest.id,
        state,
        serves.join(', '),
        megabytes(manifest.size),
        manifest.license,
        manifest.source,
      ]),
    ),
  );
}
