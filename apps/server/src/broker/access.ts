/**
 * The access rules of the embedded broker.
 *
 * | connection | publish | subscribe and receive |
 * |---|---|---|
 * | services (their own credential) | anything | anything |
 * | admin (valid token as password) | nothing | anything |
 * | user with the right to read | nothing | the topics of strangers, `mInsight/#`, `store/+/items`, `store/+/entities`, `job/status/{id}` of own jobs |
 * | user without it | nothing | the topics of strangers, `job/status/{id}` of own jobs |
 * | stranger | nothing | job events, workers, `mInsight/{port}/entity_item_status/{id}` by its full name |
 *
 * If reading is open to everyone, as the store publishes on `store/{port}/reading`, strangers may also receive `mInsight/#` and
 * `store/+/items`, and every user has the right to read.
 *
 * Rights are checked for each message. The rights of a token end with the token, even during a connection.
 */

import { storeReading, TOPICS } from '@cl-server/contract';
import { topicMatches } from '@cl-server/kit';

export type Identity =
  | { readonly kind: 'service' }
  | { readonly kind: 'stranger' }
  | {
      readonly kind: 'user';
      readonly id: string;
      readonly isAdmin: boolean;
      /** Whether the user has `media_store_read`. */
      readonly mayRead: boolean;
      /** Called for each message: an expired or revoked token gives no rights. */
      readonly isValid: () => boolean;
    };

export interface AccessOptions {
  /** The topic of all job events, `inference/events` by default. */
  readonly jobEvents: string;
  /** The prefix of the workers' topics. */
  readonly workers: string;
}

const JOB_STATUS_PREFIX = TOPICS.jobStatus('');
const ONE_ENTITY = TOPICS.entityStatus('+', '+');
const READING = TOPICS.storeReading('+');
/** These topics reveal ids and checksums of the entities in the store. */
const OPEN_READING = ['mInsight/#', TOPICS.storeItems('+')];
/** These topics also reveal which collections exist and when somebody changes them, so strangers may not read them. */
const READERS = [...OPEN_READING, TOPICS.storeEntities('+')];

/** Whether every topic that `filter` matches is also matched by `wider`. Both are valid filters. */
export function covers(wider: string, filter: string): boolean {
  const wide = wider.split('/');
  const narrow = filter.split('/');
  for (const [index, part] of wide.entries()) {
    if (part === '#') return true;
    const other = narrow[index];
    if (other === undefined || other === '#' || (part !== '+' && part !== other)) return false;
  }
  return wide.length === narrow.length;
}

export class Access {
  readonly #publicFilters: readonly string[];
  /** The owner of each job whose status the broker has seen and which has not been cleared. */
  readonly #owners = new Map<string, string | null>();
  /** The topics on which a store says that reading is open to everyone. */
  readonly #open = new Set<string>();

  constructor({ jobEvents, workers }: AccessOptions) {
    this.#publicFilters = [jobEvents, `${workers}/+`];
  }

  mayPublish(identity: Identity, topic: string): boolean {
    return identity.kind === 'service' && !topic.startsWith('$');
  }

  maySubscribe(identity: Identity, filter: string): boolean {
    if (filter.startsWith('$')) return false;
    if (this.#isPrivileged(identity)) return true;
    if (this.#filtersOf(identity).some((open) => covers(open, filter))) return true;
    if (covers(ONE_ENTITY, filter) && !/[+#]/.test(filter)) return true;
    // Whether the job exists and who owns it is checked only at delivery, so a subscription reveals nothing.
    return identity.kind === 'user' && identity.isValid() && isOneJob(filter);
  }

  mayReceive(identity: Identity, topic: string): boolean {
    if (topic.startsWith('$')) return false;
    if (this.#isPrivileged(identity)) return true;
    if (this.#filtersOf(identity).some((open) => topicMatches(open, topic))) return true;
    // The subscription must be by the full name, because no wildcard that matches it is ever granted.
    if (topicMatches(ONE_ENTITY, topic)) return true;
    return identity.kind === 'user' && identity.isValid() && isOneJob(topic) && this.#owners.get(topic) === identity.id;
  }

  #isPrivileged(identity: Identity): boolean {
    return identity.kind === 'service' || (identity.kind === 'user' && identity.isAdmin && identity.isValid());
  }

  #filtersOf(identity: Identity): readonly string[] {
    const isOpen = this.#open.size > 0;
    if (identity.kind === 'user' && (identity.mayRead || isOpen) && identity.isValid())
      return [...this.#publicFilters, ...READERS];
    return isOpen ? [...this.#publicFilters, ...OPEN_READING] : this.#publicFilters;
  }

  /** Records, before a service's message is delivered, whose job it is about and whether reading is open. */
  note(topic: string, payload: Uint8Array | string): void {
    if (topicMatches(READING, topic)) {
      if (storeReading.safeParse(parsed(payload)).data?.open === true) this.#open.add(topic);
      else this.#open.delete(topic);
    } else if (isOneJob(topic) && payload.length > 0) this.#owners.set(topic, ownerOf(payload));
  }

  /** Forgets the owner of a cleared job after its last, empty message was delivered to everyone. */
  forgetCleared(topic: string, payload: Uint8Array | string): void {
    if (payload.length === 0) this.#owners.delete(topic);
  }
}

const isOneJob = (topic: string): boolean =>
  topic.startsWith(JOB_STATUS_PREFIX) && !/[/+#]/.test(topic.slice(JOB_STATUS_PREFIX.length));

function parsed(payload: Uint8Array | string): unknown {
  try {
    return JSON.parse(Buffer.from(payload).toString());
  } catch {
    return undefined;
  }
}

function ownerOf(payload: Uint8Array | string): string | null {
  const owner = (parsed(payload) as { created_by?: unknown } | null | undefined)?.created_by;
  return typeof owner === 'string' ? owner : null;
}
