/** Live events, or none: everything also works without a broker, by polling. */

export interface PublishOptions {
  readonly qos?: 0 | 1;
  readonly retain?: boolean;
}

export type MessageListener = (topic: string, payload: Buffer, retained: boolean) => void;

export interface Broadcaster {
  readonly connected: boolean;
  /** False where the message could not be handed to the broker; nothing is queued, the caller's outbox decides. */
  publish(topic: string, payload: unknown, options?: PublishOptions): Promise<boolean>;
  /** Takes a retained message off the broker. */
  clearRetained(topic: string): Promise<boolean>;
  /**
   * Listens on a topic filter (`+`, `#`), now and after every reconnect.
   * @returns a function that stops it
   */
  subscribe(filter: string, listener: MessageListener): Promise<() => Promise<void>>;
  /** Called after each connect, the first included. @returns a function that stops it */
  onConnect(listener: () => void): () => void;
  close(): Promise<void>;
}

/** The broadcaster of a platform that has no broker. */
export const noBroadcaster: Broadcaster = Object.freeze({
  connected: false,
  publish: async () => true,
  clearRetained: async () => true,
  subscribe: async () => async () => undefined,
  onConnect: () => () => undefined,
  close: async () => undefined,
});
