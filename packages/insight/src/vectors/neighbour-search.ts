/** Nearest vectors of a kind. Two ways: codes in memory, or pgvector where PostgreSQL has it; one suite tests both. */

export interface Neighbour {
  readonly entityId: number;
  readonly subject: number;
  /** Cosine, from −1 to 1. */
  readonly score: number;
}

export interface VectorQuery {
  readonly kind: string;
  /** Of length 1. The best of several counts, e.g. of a video's frames. */
  readonly vectors: readonly Float32Array[];
  /** How many neighbours. */
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
