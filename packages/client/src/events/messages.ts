import type { EntityEvent, EntityStatusEvent, ItemEvent, JobEvent, WorkerCapability } from '@cl-server/contract';

/** The messages of the platform, by their kind. */
export interface Messages {
  readonly entity: EntityEvent;
  readonly item: ItemEvent;
  readonly insight: EntityStatusEvent;
  readonly job: JobEvent;
  readonly worker: WorkerCapability;
}

/**
 * Loads the schema of a kind of message, together with zod, when it is first needed.
 * @returns a function that reads a payload; undefined for a message of another kind
 * @internal
 */
export async function messageReader<Kind extends keyof Messages>(
  kind: Kind,
): Promise<(payload: string) => Messages[Kind] | undefined> {
  const { entityEvent, entityStatusEvent, itemEvent, jobEvent, workerCapability } = await import(
    '@cl-server/contract/events'
  );
  const schemas = {
    entity: entityEvent,
    item: itemEvent,
    insight: entityStatusEvent,
    job: jobEvent,
    worker: workerCapability,
  };
  const schema: { safeParse(value: unknown): { data?: unknown } } = schemas[kind];
  return (payload) => {
    try {
      return schema.safeParse(JSON.parse(payload)).data as Messages[Kind] | undefined;
    } catch {
      return undefined;
    }
  };
}
