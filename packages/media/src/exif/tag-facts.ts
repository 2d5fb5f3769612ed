import { type CaptureTime, captureTime } from './capture-time.js';
import { type Place, placeOf } from './place.js';
import type { RawTags } from './reader.js';
import { TagIndex } from './tags.js';

/** What tags say of a picture or a recording, whoever read them: the quick look at upload, the full reading, a task. */
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
