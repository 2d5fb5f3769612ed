import { modelStamp as stampSchema } from '@cl-server/contract';
import { assertFinite, decodeNpy, normalized } from '@cl-server/models';
import type { VectorKind } from '../../database/insight-tables.js';
import { modelStamp } from '../../vectors/model-stamp.js';
import { putVector } from '../../vectors/vector-store.js';
import { type Collect, readResult } from './collector.js';

/** A vector becomes a row; a picture's subject is 0, a video's the frame, a face's its id. */
export const collectEmbedding =
  (kind: VectorKind): Collect =>
  async (job, { entity_id, subject }, { storage }) => {
    const model = modelStamp(stampSchema.parse(job.task_output));
    const vector = normalized(decodeNpy(await readResult(storage, job, String(job.params.output_path))));
    assertFinite(vector);
    return {
      model,
      store: async (db, now) => {
        await putVector(db, { kind, model, entityId: entity_id, subject: Number(subject || 0) }, vector);
        // The first vectors of a kind answer at once; a later model's only when all are made.
        await db
          .insertInto('vector_models')
          .values({ kind, model, dimension: vector.length, updated_at: now })
          .onConflict((conflict) => conflict.column('kind').doNothing())
          .execute();
        return [];
      },
    };
  };
