/**
 * Persons, and what users decide about them. A decision is stored with the state before it, so that it can be undone. The
 * clustering never changes faces and persons that a user decided on.
 */

import type { KnownPerson, PersonDecision } from '@cl-server/contract';
import { conflict, invalidField, notFound } from '@cl-server/service-kit';
import type { FaceRow, PersonDecisionRow, PersonRow } from '../database/tables.js';
import type { InsightDatabase, InsightTransaction, RunWrite } from '../port.js';

type Db = InsightDatabase | InsightTransaction;
type Trx = InsightTransaction;

/** The rows that undoing a decision restores. */
interface Before {
  readonly persons: readonly PersonRow[];
  readonly faces: readonly Pick<FaceRow, 'id' | 'person_id' | 'is_decided'>[];
  /** Persons that the decision made. */
  readonly made: readonly number[];
}

interface Deciding {
  readonly trx: Trx;
  readonly now: number;
  readonly actor: string | null;
}

const personNotFound = () => notFound('Known person not found');

export const decisionView = (row: PersonDecisionRow): PersonDecision => ({
  id: row.id,
  kind: row.kind,
  person_id: row.person_id,
  face_ids: JSON.parse(row.face_ids) as number[],
  decided_at: row.decided_at,
  decided_by: row.decided_by,
  undone: row.is_undone === 1,
});

export class PersonService {
  constructor(
    private readonly db: InsightDatabase,
    private readonly write: RunWrite,
  ) {}

  async list(includeHidden: boolean): Promise<KnownPerson[]> {
    let query = this.db
      .selectFrom('persons')
      .leftJoin('faces', 'faces.person_id', 'persons.id')
      .selectAll('persons')
      .select((eb) => eb.fn.count<number>('faces.id').as('face_count'))
      .groupBy('persons.id')
      .orderBy('persons.id');
    if (!includeHidden) query = query.where('persons.is_hidden', '=', 0);
    return (await query.execute()).map(({ face_count, ...row }) => personView(row, Number(face_count)));
  }

  /** @throws HttpError 404 */
  async get(id: number, db: Db = this.db): Promise<KnownPerson> {
    const row = await personRow(db, id);
    const { count } = await db
      .selectFrom('faces')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('person_id', '=', id)
      .executeTakeFirstOrThrow();
    return personView(row, Number(count));
  }

  rename(id: number, name: string, actor: string | null): Promise<KnownPerson> {
    return this.#decide(actor, async (deciding) => {
      const row = await personRow(deciding.trx, id);
      await change(deciding, id, { name });
      await remember(deciding, 'name', id, [], { persons: [row], faces: [], made: [] });
      return this.get(id, deciding.trx);
    });
  }

  hide(id: number, hidden: boolean, actor: string | null): Promise<KnownPerson> {
    return this.#decide(actor, async (deciding) => {
      const row = await personRow(deciding.trx, id);
      await change(deciding, id, { is_hidden: hidden ? 1 : 0 });
      await remember(deciding, 'hide', id, [], { persons: [row], faces: [], made: [] });
      return this.get(id, deciding.trx);
    });
  }

  /** The faces of the others become this person's, and so does a name if this person has none. */
  merge(id: number, others: readonly number[], actor: string | null): Promise<KnownPerson> {
    if (others.includes(id)) throw invalidField('body', 'person_ids', 'A person cannot be merged with itself', others);
    return this.#decide(actor, async (deciding) => {
      const { trx } = deciding;
      const target = await personRow(trx, id);
      const rows: PersonRow[] = [];
      for (const other of new Set(others)) rows.push(await personRow(trx, other));
      const faces = await facesOf(trx, [id, ...others]);
      const name = target.name ?? rows.find((row) => row.name !== null)?.name ?? null;
      await trx
        .updateTable('faces')
        .set({ person_id: id, is_decided: 1 })
        .where('person_id', 'in', [...others])
        .execute();
      await trx.updateTable('faces').set({ is_decided: 1 }).where('person_id', '=', id).execute();
      await trx
        .deleteFrom('persons')
        .where('id', 'in', [...others])
        .execute();
      await change(deciding, id, { name });
      await remember(
        deciding,
        'merge',
        id,
        faces.map((face) => face.id),
        { persons: [target, ...rows], faces, made: [] },
      );
      return this.get(id, trx);
    });
  }

  /** Some of a person's faces become a new person. */
  split(id: number, faceIds: readonly number[], name: string | null, actor: string | null): Promise<KnownPerson> {
    return this.#decide(actor, async (deciding) => {
      const { trx, now } = deciding;
      const row = await personRow(trx, id);
      const faces = await facesOf(trx, [id]);
      const wanted = new Set(faceIds);
      const own = new Set(faces.map((face) => face.id));
      const foreign = faceIds.filter((face) => !own.has(face));
      if (foreign.length > 0)
        throw invalidField('body', 'face_ids', `Faces ${foreign.join(', ')} are not this person's`, faceIds);
      if (wanted.size === own.size)
        throw invalidField('body', 'face_ids', 'These are all faces of the person: rename it instead', faceIds);
      const made = await trx
        .insertInto('persons')
        .values({ name, is_hidden: 0, is_decided: 1, created_at: now, updated_at: now })
        .returning('id')
        .executeTakeFirstOrThrow();
      await trx
        .updateTable('faces')
        .set({ person_id: made.id, is_decided: 1 })
        .where('id', 'in', [...wanted])
        .execute();
      // The user also decided on the faces that stay: the clustering must not bring the others back.
      await trx.updateTable('faces').set({ is_decided: 1 }).where('person_id', '=', id).execute();
      await change(deciding, id, {});
      await remember(deciding, 'split', id, [...wanted], { persons: [row], faces, made: [made.id] });
      return this.get(made.id, trx);
    });
  }

  /** Says whose a face is, or that it is nobody's. @throws HttpError 404 */
  move(faceId: number, personId: number | null, actor: string | null): Promise<FaceRow> {
    return this.#decide(actor, async (deciding) => {
      const { trx } = deciding;
      const face = await faceRow(trx, faceId);
      if (personId !== null) {
        await personRow(trx, personId);
        await change(deciding, personId, {});
      }
      await trx.updateTable('faces').set({ person_id: personId, is_decided: 1 }).where('id', '=', faceId).execute();
      await remember(deciding, 'move', personId, [faceId], { persons: [], faces: [face], made: [] });
      return faceRow(trx, faceId);
    });
  }

  /** Newest first. */
  async decisions(before: number, limit: number): Promise<PersonDecisionRow[]> {
    return this.db
      .selectFrom('person_decisions')
      .selectAll()
      .where('id', '<', before)
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
  }

  async decisionCount(): Promise<number> {
    const row = await this.db
      .selectFrom('person_decisions')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    return Number(row.count);
  }

  /** @throws HttpError 404, 409 */
  undo(id: number, actor: string | null): Promise<PersonDecisionRow> {
    return this.#decide(actor, async ({ trx, now }) => {
      const row = await trx.selectFrom('person_decisions').selectAll().where('id', '=', id).executeTakeFirst();
      if (!row) throw notFound('No such decision');
      if (row.is_undone === 1) throw conflict('This decision was undone already');
      await assertNewest(trx, row);
      const before = JSON.parse(row.before) as Before;
      for (const person of before.persons)
        await trx
          .insertInto('persons')
          .values({ ...person, updated_at: now })
          .onConflict((c) => c.column('id').doUpdateSet({ ...person, updated_at: now }))
          .execute();
      for (const { id: faceId, ...was } of before.faces)
        await trx.updateTable('faces').set(was).where('id', '=', faceId).execute();
      if (before.made.length > 0)
        await trx
          .deleteFrom('persons')
          .where('id', 'in', [...before.made])
          .execute();
      await trx.updateTable('person_decisions').set({ is_undone: 1 }).where('id', '=', id).execute();
      return { ...row, is_undone: 1 };
    });
  }

  #decide<T>(actor: string | null, work: (deciding: Deciding) => Promise<T>): Promise<T> {
    return this.write(actor, ({ db: trx, now }) => work({ trx, now, actor }));
  }
}

const personView = (row: PersonRow, faceCount: number): KnownPerson => ({
  id: row.id,
  name: row.name,
  created_at: row.created_at,
  updated_at: row.updated_at,
  face_count: faceCount,
  hidden: row.is_hidden === 1,
});

async function personRow(db: Db, id: number): Promise<PersonRow> {
  const row = await db.selectFrom('persons').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) throw personNotFound();
  return row;
}

async function faceRow(db: Db, id: number): Promise<FaceRow> {
  const row = await db.selectFrom('faces').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) throw notFound('Face not found');
  return row;
}

const facesOf = (db: Db, persons: readonly number[]): Promise<Before['faces'][number][]> =>
  db
    .selectFrom('faces')
    .select(['id', 'person_id', 'is_decided'])
    .where('person_id', 'in', [...persons])
    .execute();

async function change({ trx, now }: Deciding, id: number, values: Partial<PersonRow>): Promise<void> {
  await trx
    .updateTable('persons')
    .set({ ...values, is_decided: 1, updated_at: now })
    .where('id', '=', id)
    .execute();
}

async function remember(
  { trx, now, actor }: Deciding,
  kind: PersonDecisionRow['kind'],
  personId: number | null,
  faceIds: readonly number[],
  before: Before,
): Promise<void> {
  await trx
    .insertInto('person_decisions')
    .values({
      kind,
      person_id: personId,
      face_ids: JSON.stringify(faceIds),
      before: JSON.stringify({
        ...before,
        faces: before.faces.map(({ id, person_id, is_decided }) => ({ id, person_id, is_decided })),
      }),
      decided_at: now,
      decided_by: actor,
      is_undone: 0,
    })
    .execute();
}

/** A later decision about the same persons or faces must be undone first. */
async function assertNewest(trx: Trx, row: PersonDecisionRow): Promise<void> {
  const later = await trx
    .selectFrom('person_decisions')
    .selectAll()
    .where('id', '>', row.id)
    .where('is_undone', '=', 0)
    .execute();
  const touched = (decision: PersonDecisionRow): { persons: Set<number>; faces: Set<number> } => {
    const before = JSON.parse(decision.before) as Before;
    return {
      persons: new Set([
        ...before.persons.map(({ id }) => id),
        ...before.made,
        ...(decision.person_id === null ? [] : [decision.person_id]),
      ]),
      faces: new Set(before.faces.map(({ id }) => id)),
    };
  };
  const mine = touched(row);
  const blocking = later.find((other) => {
    const theirs = touched(other);
    return [...theirs.persons].some((id) => mine.persons.has(id)) || [...theirs.faces].some((id) => mine.faces.has(id));
  });
  if (blocking)
    throw conflict(`Decision ${blocking.id} (${blocking.kind}) about the same persons came later: undo it first`);
}
