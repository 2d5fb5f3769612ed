/**
 * Nearest vectors of a kind. There are two implementations: codes in memory, and pgvector if PostgreSQL has it. One suite
 * tests both.
 */

export interface Neighbour {
  readonly entityId: number;
  readonly subject: number;
  /** Cosine, from −1 to 1. */
  readonly score: number;
}

export interface VectorQuery {
  readonly kind: string;
  /** Vectors of length 1. If there are several, for example of a video's frames, the nearest one counts. */
  readonly vectors: readonly Float32Array[];
  /** Number of neighbours. */
  readonly count: number;
  readonly allowedEntities?: ReadonlySet<number>;
}

export interface Neighbours {
  readonly model: string;
  /** Nearest first. */
  readonly neighbours: Neighbour[];
}

export interface NeighbourSearch {
  /** Undefined before any vector of the kind exists. */
  search(query: VectorQuery): Promise<Neighbours | undefined>;
}
