/** All insights of this installation. All code that handles insights iterates over it; there is no other list of them. */
import { entityStatusEvent, inferenceStatus } from '@cl-server/contract';
import type { Insight, InsightVector } from './define.js';

export interface PlannedSubject {
  /** Name of the insight; the column has the name of the task for historical reasons. */
  readonly task_type: string;
  readonly subject: string;
}

export type VectorInsight = Insight & { readonly vector: InsightVector };

const hasVector = (insight: Insight): insight is VectorInsight => insight.vector !== undefined;

export const statusKeyOf = ({ name, statusKey = name }: Insight): string => statusKey;

/** Keys of the status view and of status events that belong to no insight. */
const RESERVED_KEYS: ReadonlySet<string> = new Set([
  'hls_streaming',
  ...Object.keys(entityStatusEvent.shape).filter((key) => !(key in inferenceStatus.shape)),
]);

export class InsightRegistry implements Iterable<Insight> {
  readonly #insights = new Map<string, Insight>();
  /** Types of entities that have at least one insight. */
  readonly types: readonly string[];

  /** @throws Error if two insights share a name, a status key, a vector kind or a `by` of searches */
  constructor(insights: Iterable<Insight>) {
    const taken = new Set<string>();
    const claim = (what: string, value: string, { name }: Insight): void => {
      const key = `${what} ${value}`;
      if (taken.has(key)) throw new Error(`insight ${name}: another insight has the ${what} "${value}"`);
      taken.add(key);
    };
    for (const insight of insights) {
      claim('name', insight.name, insight);
      if (RESERVED_KEYS.has(statusKeyOf(insight)))
        throw new Error(`insight ${insight.name}: the status key "${statusKeyOf(insight)}" is reserved`);
      claim('status key', statusKeyOf(insight), insight);
      if (insight.vector) claim('search', insight.vector.kind, insight);
      if (insight.fingerprint !== undefined) claim('search', insight.fingerprint, insight);
      this.#insights.set(insight.name, insight);
    }
    for (const { name, follows } of this)
      if (follows !== undefined && !this.#insights.has(follows))
        throw new Error(`insight ${name} follows ${follows}, which is not registered`);
    this.types = [...new Set([...this].flatMap(({ appliesTo }) => Object.keys(appliesTo)))];
  }

  [Symbol.iterator](): Iterator<Insight> {
    return this.#insights.values();
  }

  get(name: string): Insight | undefined {
    return this.#insights.get(name);
  }

  /** The inferences that an entity of a type should have, without those that follow from results. */
  plannedFor(type: string | null): readonly PlannedSubject[] {
    if (type === null) return [];
    return [...this].flatMap(({ name, appliesTo }) =>
      (appliesTo[type]?.subjects ?? []).map((subject) => ({ task_type: name, subject })),
    );
  }

  /** Insights of the subjects that another insight finds. */
  followersOf(name: string): readonly Insight[] {
    return [...this].filter(({ follows }) => follows === name);
  }

  /** Names of the insights that jobs of a task compute. */
  namesOfTask(task: string): readonly string[] {
    return [...this].flatMap((insight) => (insight.task === task ? [insight.name] : []));
  }

  get withVector(): readonly VectorInsight[] {
    return [...this].filter(hasVector);
  }

  byVectorKind(kind: string): VectorInsight | undefined {
    return this.withVector.find(({ vector }) => vector.kind === kind);
  }
}
