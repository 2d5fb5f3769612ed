/**
 * Who may do what at the embedded broker.
 *
 * | connection | publish | subscribe and receive |
 * |---|---|---|
 * | services (their own credential) | anything | anything |
 * | admin (valid token as password) | nothing | anything |
 * | user with the right to read | nothing | what strangers may, `mInsight/#`, `store/+/items`, `store/+/entities`, `job/status/{id}` of own jobs |
 * | user without it | nothing | what strangers may, `job/status/{id}` of own jobs |
 * | stranger | nothing | job events, workers, `mInsight/{port}/entity_item_status/{id}` by its full name |
 *
 * Where reading is open to everyone, as the store says on `store/{port}/reading`, strangers have `mInsight/#` and
 * `store/+/items` too, and every user has the right to read.
 *
 * Rights are asked for at each message. Those that a token gave end with the token, in the middle of a connection too.
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
      /** `media_store_read`. */
      readonly mayRead: boolean;
      /** Asked at each message: expired or revoked tokens give nothing any more. */
      readonly isValid: () => boolean;
    };

export interface AccessOptions {
  /** Topic of all job events, `inference/events` by default. */
  readonly jobEvents: string;
  /** Prefix of the workers' topics. */
  readonly workers: string;
}

const JOB_STATUS_PREFIX = TOPICS.jobStatus('');
const ONE_ENTITY = TOPICS.entityStatus('+', '+');
const READING = TOPICS.storeReading('+');
/** They tell ids and checksums of what the store keeps. */
const OPEN_READING = ['mInsight/#', TOPICS.storeItems('+')];
/** They also tell which collections there are and when somebody works on them: not for strangers. */
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
  /** Owner of each job whose status the broker has seen and nobody has cleared. */
  readonly #owners = new Map<string, string | null>();
  /** Topics on which a store says that reading is open to everyone. */
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
    // Whether the job exists and whose it is shows only at delivery, so that asking tells nothing.
    return identity.kind === 'user' && identity.isValid() && isOneJob(filter);
  }

  mayReceive(identity: Identity, topic: string): boolean {
    if (topic.startsWith('$')) return false;
    if (this.#isPrivileged(identity)) return true;
    if (this.#filtersOf(identity).some((open) => topicMatches(open, topic))) return true;
    // A subscription by the full name; no wildcard that matches it was ever granted.
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

  /** Before a message of a service is handed on: keeps whose job it is about, and who may read. */
  note(topic: string, payload: Uint8Array | string): void {
    if (topicMatches(READING, topic)) {
      if (storeReading.safeParse(parsed(payload)).data?.open === true) this.#open.add(topic);
      else this.#open.delete(topic);
    } else if (isOneJob(topic) && payload.length > 0) this.#owners.set(topic, ownerOf(payload));
  }

  /** After a message reached everyone: a cleared job has no owner any more, but its last, empty message still had. */
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
