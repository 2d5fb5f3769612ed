/**
 * Who may do what at the embedded broker.
 *
 * | connection | publish | subscribe and receive |
 * |---|---|---|
 * | services (their own credential) | anything | anything |
 * | admin (valid token as password) | nothing | anything |
 * | user (valid token as password) | nothing | what strangers may, changes of entities, and `job/status/{id}` of own jobs |
 * | stranger | nothing | job events, workers, insight, store items |
 *
 * Rights that a token gave end with the token, in the middle of a connection too.
 */
import { TOPICS } from '@cl-server/contract/constants';
import { topicMatches } from '@cl-server/runtime/broadcaster';

export type Identity =
  | { readonly kind: 'service' }
  | { readonly kind: 'stranger' }
  | {
      readonly kind: 'user';
      readonly id: string;
      readonly isAdmin: boolean;
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
/** They tell which collections there are and when somebody works on them: not for strangers. */
const USER_FILTER = 'store/+/entities';

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

  constructor({ jobEvents, workers }: AccessOptions) {
    this.#publicFilters = [jobEvents, `${workers}/+`, 'mInsight/#', 'store/+/items'];
  }

  mayPublish(identity: Identity, topic: string): boolean {
    return identity.kind === 'service' && !topic.startsWith('$');
  }

  maySubscribe(identity: Identity, filter: string): boolean {
    if (filter.startsWith('$')) return false;
    if (this.#isPrivileged(identity)) return true;
    if (this.#publicFilters.some((open) => covers(open, filter))) return true;
    if (identity.kind !== 'user') return false;
    // Whether the job exists and whose it is shows only at delivery, so that asking tells nothing.
    return covers(USER_FILTER, filter) || isOneJob(filter);
  }

  mayReceive(identity: Identity, topic: string): boolean {
    if (topic.startsWith('$')) return false;
    if (this.#isPrivileged(identity)) return true;
    if (this.#publicFilters.some((open) => topicMatches(open, topic))) return true;
    if (identity.kind !== 'user' || !identity.isValid()) return false;
    if (topicMatches(USER_FILTER, topic)) return true;
    return isOneJob(topic) && this.#owners.get(topic) === identity.id;
  }

  #isPrivileged(identity: Identity): boolean {
    return identity.kind === 'service' || (identity.kind === 'user' && identity.isAdmin && identity.isValid());
  }

  /** Before a message is handed on: keeps whose job it is about. */
  noteOwner(topic: string, payload: Uint8Array | string): void {
    if (!isOneJob(topic) || payload.length === 0) return;
    this.#owners.set(topic, ownerOf(payload));
  }

  /** After a message reached everyone: a cleared job has no owner any more, but its last, empty message still had. */
  forgetCleared(topic: string, payload: Uint8Array | string): void {
    if (payload.length === 0) this.#owners.delete(topic);
  }
}

const isOneJob = (topic: string): boolean =>
  topic.startsWith(JOB_STATUS_PREFIX) && !/[/+#]/.test(topic.slice(JOB_STATUS_PREFIX.length));

function ownerOf(payload: Uint8Array | string): string | null {
  try {
    const owner: unknown = (JSON.parse(Buffer.from(payload).toString()) as { created_by?: unknown }).created_by;
    return typeof owner === 'string' ? owner : null;
  } catch {
    return null;
  }
}
