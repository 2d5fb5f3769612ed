/** What the insight worker said last, as the store heard it; a worker that is silent for long is offline. */
import { type InsightStatus, insightStatus, TOPICS } from '@cl-server/contract';
import type { Broadcaster } from '@cl-server/runtime';

/** Milliseconds; the worker speaks every five seconds. */
const SILENT = 20_000;

export class InsightMonitor {
  readonly #broadcaster: Broadcaster;
  readonly #now: () => number;
  #last: { status: InsightStatus; heardAt: number } | undefined;
  #stop: (() => Promise<void>) | undefined;

  constructor(broadcaster: Broadcaster, now: () => number) {
    this.#broadcaster = broadcaster;
    this.#now = now;
  }

  async start(storePort: number): Promise<void> {
    this.#stop = await this.#broadcaster.subscribe(TOPICS.insightStatus(storePort), (_topic, payload) => {
      const parsed = insightStatus.safeParse(parse(payload));
      if (parsed.success) this.#last = { status: parsed.data, heardAt: this.#now() };
    });
  }

  status(): InsightStatus | null {
    if (!this.#last) return null;
    const { status, heardAt } = this.#last;
    return this.#now() - heardAt > SILENT ? { ...status, status: 'offline' } : status;
  }

  async close(): Promise<void> {
    await this.#stop?.();
  }
}

/** Undefined for what is no JSON. */
function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch {
    return undefined;
  }
}
