/** The facts that uploads, readings and tasks take from tags. */
import { type CaptureTime, captureTime } from './capture-time.js';
import { type Place, placeOf } from './place.js';
import type { RawTags } from './reader.js';
import { TagIndex } from './tags.js';

/**
 * Facts that tags state about a picture or a recording. The quick look at an upload, the full reading and the task
 * share them.
 */
export interface TagFacts {
  readonly captured: CaptureTime | null;
  readonly place: Place | null;
  readonly altitude: number | null;
  readonly make: string | null;
  readonly model: string | null;
  readonly lens: string | null;
}

export function tagFacts(raw: RawTags): TagFacts {
  const tags = new TagIndex(raw);
  return {
    captured: captureTime(tags),
    place: placeOf(tags),
    altitude: tags.number('GPSAltitude'),
    make: tags.text('Make', 'AndroidManufacturer'),
    model: tags.text('Model', 'AndroidModel', 'CameraModelName'),
    lens: tags.text('LensModel', 'Lens'),
  };
}
