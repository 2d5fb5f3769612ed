import { hashTask } from '@cl-server/contract';
import { z } from 'zod';
import type { Collect } from '../collect-context.js';
import { defineInsight } from '../define.js';
import { wholeFile } from '../inputs.js';

const phash = z.string().regex(/^[0-9a-f]{16}$/);

/** The part of the hash task's output that is kept: the entity has the digests already. */
const output = z.object({
  phash: phash.nullable().optional(),
  frames: z.array(z.object({ phash })).nullable().optional(),
  pdq: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable()
    .default(null),
  pdq_quality: z.number().nullable().default(null),
  flat_share: z.number().nullable().default(null),
  layout: z
    .string()
    .regex(/^[0-9a-f]{384}$/)
    .nullable()
    .default(null),
});

/** The pHash of a picture that was hashed to search for it. */
export const phashOf = (result: Readonly<Record<string, unknown>>): string | undefined =>
  output.parse(result).phash ?? undefined;

const collectHashes: Collect = async (result, { entityId }) => {
  const { phash: whole, frames, ...features } = output.parse(result.output);
  const hashes = whole ? [whole] : (frames ?? []).map((frame) => frame.phash);
  return {
    store: async (db) => {
      await db.deleteFrom('perceptual_hashes').where('entity_id', '=', entityId).execute();
      if (hashes.length > 0)
        await db
          .insertInto('perceptual_hashes')
          .values(hashes.map((value, frame) => ({ entity_id: entityId, frame, phash: value, ...features })))
          .execute();
      return [];
    },
  };
};

/** Perceptual hashes of a picture or of frames of a video. They find the same picture in other files. */
export const perceptualHash = defineInsight({
  name: 'hash',
  task: hashTask.type,
  appliesTo: { image: wholeFile, video: wholeFile },
  collect: collectHashes,
  fingerprint: 'phash',
});
