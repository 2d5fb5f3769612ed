import type {
  Face,
  getKnownPerson,
  getKnownPersonFaces,
  hideKnownPerson,
  KnownPerson,
  listKnownPersons,
  listPersonDecisions,
  mergeKnownPersons,
  moveFace,
  PersonDecision,
  renameKnownPerson,
  splitKnownPerson,
  undoPersonDecision,
} from '@cl-server/contract';
import type { CallOptions, HttpClient } from '../http/http-client.js';
import { byCursor } from '../http/pages.js';

export interface PersonListOptions extends CallOptions {
  /** Also list hidden persons. Default false. */
  readonly include_hidden?: boolean | undefined;
}

/** The persons whose faces were found, and the decisions of users about them. */
export class PersonsClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /**
   * All persons, without the hidden ones unless `include_hidden` is true.
   *
   * @example
   * ```ts
   * for (const { id, name } of await store.persons.list({ include_hidden: true })) console.log(id, name);
   * ```
   */
  list({ include_hidden, ...options }: PersonListOptions = {}): Promise<KnownPerson[]> {
    return this.#http.call<typeof listKnownPersons>(
      { method: 'GET', path: '/intelligence/known-persons', query: { include_hidden } },
      options,
    );
  }

  /**
   * @example
   * ```ts
   * const { face_count } = await store.persons.get(1);
   * ```
   */
  get(personId: number, options?: CallOptions): Promise<KnownPerson> {
    return this.#http.call<typeof getKnownPerson>(
      { method: 'GET', path: '/intelligence/known-persons/{person_id}', params: { person_id: personId } },
      options,
    );
  }

  /**
   * @example
   * ```ts
   * const faces = await store.persons.faces(1);
   * ```
   */
  faces(personId: number, options?: CallOptions): Promise<Face[]> {
    return this.#http.call<typeof getKnownPersonFaces>(
      { method: 'GET', path: '/intelligence/known-persons/{person_id}/faces', params: { person_id: personId } },
      options,
    );
  }

  /**
   * Gives a person a name.
   *
   * @example
   * ```ts
   * await store.persons.rename(1, 'Ann');
   * ```
   */
  rename(personId: number, name: string, options?: CallOptions): Promise<KnownPerson> {
    return this.#http.call<typeof renameKnownPerson>(
      {
        method: 'PATCH',
        path: '/intelligence/known-persons/{person_id}',
        params: { person_id: personId },
        json: { name },
        idempotent: true,
      },
      options,
    );
  }

  /**
   * Leaves a person out of the list, or shows them again.
   *
   * @example
   * ```ts
   * await store.persons.hide(1);
   * ```
   */
  hide(personId: number, hidden = true, options?: CallOptions): Promise<KnownPerson> {
    return this.#http.call<typeof hideKnownPerson>(
      {
        method: 'PUT',
        path: '/intelligence/known-persons/{person_id}/hidden',
        params: { person_id: personId },
        form: { hidden },
        idempotent: true,
      },
      options,
    );
  }

  /**
   * Says that other persons are this one: their faces move here, they are gone.
   *
   * @example
   * ```ts
   * await store.persons.merge(1, [2, 5]);
   * ```
   */
  merge(personId: number, others: readonly number[], options?: CallOptions): Promise<KnownPerson> {
    const json = { person_ids: others };
    return this.#http.call<typeof mergeKnownPersons>(
      { method: 'POST', path: '/intelligence/known-persons/{person_id}/merge', params: { person_id: personId }, json },
      options,
    );
  }

  /**
   * Says that some of a person's faces are somebody else. @returns the new person
   * @example
   * ```ts
   * const other = await store.persons.split(1, [10, 11], 'Bea');
   * ```
   */
  split(personId: number, faceIds: readonly number[], name?: string, options?: CallOptions): Promise<KnownPerson> {
    const json = { face_ids: faceIds, name };
    return this.#http.call<typeof splitKnownPerson>(
      { method: 'POST', path: '/intelligence/known-persons/{person_id}/split', params: { person_id: personId }, json },
      options,
    );
  }

  /**
   * Says whose face it is. @param personId null: nobody's that is known
   * @example
   * ```ts
   * await store.persons.moveFace(10, null);
   * ```
   */
  moveFace(faceId: number, personId: number | null, options?: CallOptions): Promise<Face> {
    const json = { person_id: personId };
    return this.#http.call<typeof moveFace>(
      {
        method: 'PUT',
        path: '/intelligence/faces/{face_id}/person',
        params: { face_id: faceId },
        json,
        idempotent: true,
      },
      options,
    );
  }

  /**
   * The decisions about persons, the newest first.
   *
   * @example
   * ```ts
   * for await (const { id, kind } of store.persons.decisions()) console.log(id, kind);
   * ```
   */
  decisions(options?: CallOptions): AsyncGenerator<PersonDecision> {
    return byCursor((cursor) =>
      this.#http.call<typeof listPersonDecisions>(
        { method: 'GET', path: '/intelligence/person-decisions', query: { cursor } },
        options,
      ),
    );
  }

  /**
   * Takes a decision back.
   *
   * @example
   * ```ts
   * await store.persons.undo(4);
   * ```
   */
  undo(decisionId: number, options?: CallOptions): Promise<PersonDecision> {
    return this.#http.call<typeof undoPersonDecision>(
      {
        method: 'POST',
        path: '/intelligence/person-decisions/{decision_id}/undo',
        params: { decision_id: decisionId },
      },
      options,
    );
  }
}
