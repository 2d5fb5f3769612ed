/** What is to be found out of an entity, as a pure function of what it is. */

/** Inferences of a picture; one of each face follows when the faces are known. */
const OF_IMAGES = ['hash', 'face_detection', 'clip_embedding', 'dino_embedding'] as const;
/** Inferences of a video; its vectors are those of frames. */
const OF_VIDEOS = ['hash', 'media_thumbnail'] as const;

/** Frames of a video that get a CLIP vector, spread over its whole length. */
export const VIDEO_FRAMES = 8;

export interface Wanted {
  readonly task_type: string;
  readonly subject: string;
}

/** Kinds of entities that the insight worker looks after. */
export const UNDERSTOOD_TYPES = ['image', 'video'] as const;

export function wantedOf(type: string | null): readonly Wanted[] {
  if (type === 'image') return OF_IMAGES.map((task_type) => ({ task_type, subject: '' }));
  if (type !== 'video') return [];
  return [
    ...OF_VIDEOS.map((task_type) => ({ task_type, subject: '' })),
    ...Array.from({ length: VIDEO_FRAMES }, (_, frame) => ({ task_type: 'clip_embedding', subject: String(frame) })),
  ];
}
