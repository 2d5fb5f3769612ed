import { z } from 'zod';
import type { Collect } from './collector.js';

const phash = z.string().regex(/^[0-9a-f]{16}$/);

/** What of the hash task's output is kept: digests are the entity's own already. */
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

export const collectHash: Collect = async (job, { entity_id }) => {
  const { phash: whole, frames, ...features } = output.parse(job.task_output ?? {});
  const hashes = whole ? [whole] : (frames ?? []).map((frame) => frame.phash);
  return {
    model: '',
    store: async (db) => {
      await db.deleteFrom('perceptual_hashes').where('entity_id', '=', entity_id).execute();
      if (hashes.length > 0)
        await db
          .insertInto('perceptual_hashes')
          .values(hashes.map((value, frame) => ({ entity_id, frame, phash: value, ...features })))
          .execute();
      return [];
    },
  };
};
