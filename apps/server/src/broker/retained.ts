/**
 * The memory of the broker: retained messages, last wills, and QoS 2 messages in progress. No session outlives its connection,
 * so nothing else is kept, and nothing is on disk.
 *
 * The default memory of aedes compares every filter of a SUBSCRIBE with every retained message: with ten thousand jobs, a
 * stranger could stop the broker for minutes. Here a full topic name is one look-up, and a wildcard is compared only with the
 * messages that share its first level.
 */

import { Readable } from 'node:stream';
import { topicMatches } from '@cl-server/kit';
import type { AedesPublishPacket } from 'aedes';

interface Client {
  readonly id: string;
}
interface Identified {
  readonly messageId?: number | undefined;
}

const hasWildcard = (filter: string): boolean => /[+#]/.test(filter);
const firstLevel = (topic: string): string => {
  const slash = topic.indexOf('/');
  return slash < 0 ? topic : topic.slice(0, slash);
};

/** The interface of an aedes persistence (https://github.com/moscajs/aedes-persistence), for clean sessions. */
export class BrokerMemory {
  /** Maps the first level to topics, and these to messages. */
  readonly #retained = new Map<string, Map<string, AedesPublishPacket>>();
  readonly #wills = new Map<string, AedesPublishPacket>();
  readonly #incoming = new Map<string, Map<number, Identified>>();

  async setup(): Promise<void> {}
  async destroy(): Promise<void> {}

  async storeRetained(packet: AedesPublishPacket): Promise<void> {
    const { topic } = packet;
    const level = firstLevel(topic);
    const messages = this.#retained.get(level);
    if (packet.payload.length > 0) {
      if (messages) messages.set(topic, { ...packet });
      else this.#retained.set(level, new Map([[topic, { ...packet }]]));
    } else if (messages?.delete(topic) && messages.size === 0) this.#retained.delete(level);
  }

  *#matching(filters: readonly string[]): Generator<AedesPublishPacket> {
    for (const filter of filters) {
      const level = firstLevel(filter);
      if (!hasWildcard(filter)) {
        const message = this.#retained.get(level)?.get(filter);
        if (message) yield message;
        continue;
      }
      const groups = hasWildcard(level) ? this.#retained.values() : [this.#retained.get(level) ?? new Map()];
      for (const messages of groups)
        for (const [topic, message] of messages) if (topicMatches(filter, topic)) yield message;
    }
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.#matching(filters));
  }

  createRetainedStream(filter: string): Readable {
    return this.createRetainedStreamCombi([filter]);
  }

  async putWill(client: Client, packet: AedesPublishPacket): Promise<void> {
    this.#wills.set(client.id, packet);
  }
  async getWill(client: Client): Promise<AedesPublishPacket | undefined> {
    return this.#wills.get(client.id);
  }
  async delWill(client: Client): Promise<AedesPublishPacket | undefined> {
    const will = this.#wills.get(client.id);
    this.#wills.delete(client.id);
    return will;
  }
  streamWill(): Readable {
    return Readable.from([]); // wills of other brokers; there is only one
  }

  async incomingStorePacket(client: Client, packet: Identified): Promise<void> {
    const packets = this.#incoming.get(client.id) ?? new Map<number, Identified>();
    this.#incoming.set(client.id, packets.set(packet.messageId ?? 0, packet));
  }
  async incomingGetPacket(client: Client, packet: Identified): Promise<Identified> {
    const found = this.#incoming.get(client.id)?.get(packet.messageId ?? 0);
    if (!found) throw new Error('no such packet');
    return found;
  }
  async incomingDelPacket(client: Client, packet: Identified): Promise<void> {
    if (!this.#incoming.get(client.id)?.delete(packet.messageId ?? 0)) throw new Error('no such packet');
  }
  async cleanIncoming(client: Client): Promise<void> {
    this.#incoming.delete(client.id);
  }

  // Subscriptions of persistent sessions, which do not exist here.
  async addSubscriptions(): Promise<void> {}
  async removeSubscriptions(): Promise<void> {}
  async cleanSubscriptions(): Promise<void> {}
  async subscriptionsByClient(): Promise<readonly never[]> {
    return [];
  }
  async subscriptionsByTopic(): Promise<readonly never[]> {
    return [];
  }
  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    return { subsCount: 0, clientsCount: 0 };
  }
  async outgoingEnqueue(): Promise<void> {}
  async outgoingEnqueueCombi(): Promise<void> {}
  async outgoingUpdate(): Promise<void> {}
  async outgoingClearMessageId(): Promise<undefined> {
    return undefined;
  }
  outgoingStream(): Readable {
    return Readable.from([]);
  }
  getClientList(): Readable {
    return Readable.from([]);
  }
}
