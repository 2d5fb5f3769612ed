/**
 * The process in which the store opens files of clients, one at a time, on requests over IPC. A file that exploits a fault of
 * a decoder or uses up memory harms this process only; the store ends it and starts another one.
 */
import { createExifReader, MediaError, type RawTags, sniffFile } from '@cl-server/media';
import { createInspector, type MediaInspector, nothingOf } from './inspector.js';
import { makePreview } from './preview-maker.js';
import {
  type FromMediaProcess,
  MAX_TAGS,
  type MediaSettings,
  type MediaWork,
  type ToMediaProcess,
} from './protocol.js';

const { pid } = process;
process.title = 'media-runner';

/** Ends this process with the tools that it runs. */
process.on('disconnect', () => {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    process.exit(1); // not a group leader, for example when started by hand
  }
});

let inspector: MediaInspector | undefined;
let settings: MediaSettings | undefined;

/** Converts tags to JSON. If they exceed the limit, which few files do, none is kept. */
function tagsText(tags: RawTags): string {
  const text = JSON.stringify(tags);
  return text.length > MAX_TAGS ? '{}' : text;
}

async function perform(work: MediaWork): Promise<unknown> {
  if (!inspector || !settings) throw new Error('work arrived before the settings');
  switch (work.kind) {
    case 'sniff':
      return nothingOf(await sniffFile(work.file));
    case 'facts':
      return inspector.facts(work.file);
    case 'tags': {
      const { facts, tags } = await inspector.tags(work.file);
      return { facts, tags: tagsText(tags) };
    }
    case 'preview':
      return makePreview(work, settings);
  }
}

function failure(error: unknown): FromMediaProcess {
  if (error instanceof MediaError) return { ok: false, code: error.code, message: error.message };
  const { code, stack } = error as NodeJS.ErrnoException;
  return { ok: null, message: stack ?? String(error), ...(typeof code === 'string' && { errno: code }) };
}

async function handle(message: ToMediaProcess): Promise<void> {
  if (message.type === 'start') {
    settings = message.settings;
    const { exiftool, ffprobe } = settings;
    inspector = createInspector({ exif: createExifReader({ exiftool }), ffprobe });
    return;
  }
  const answer = await perform(message.work).then((value): FromMediaProcess => ({ ok: true, value }), failure);
  process.send?.(answer, undefined, undefined, () => undefined);
}

process.on('message', (message: ToMediaProcess) => void handle(message));
