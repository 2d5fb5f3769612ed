/**
 * Assigns faces to persons, by incremental and density-based clustering. A face joins the person of its nearest neighbours,
 * by their similarity weighted with their quality. A face without such neighbours starts a new person. A face that is very
 * similar to faces of two persons shows that these are one. Decisions of users stay: decided faces never move, decided
 * persons are never merged with one another, and two faces of one photo are never one person.
 */

export interface Neighbour {
  readonly faceId: number;
  readonly personId: number;
  /** Cosine. */
  readonly score: number;
  /** 0 to 1. */
  readonly quality: number;
}

export interface AssignRules {
  /** Minimum cosine of two faces of one person. */
  readonly sameAbove: number;
  /** Minimum cosine at which a face may merge two persons. */
  readonly joinAbove: number;
}

/** Measured on the faces of the tests: two photos of one person 0.71, of two persons 0.10 at most. */
export const DEFAULT_RULES: AssignRules = { sameAbove: 0.45, joinAbove: 0.6 };

/** Maximum number of neighbours that count for a person. */
const VOICES = 5;

export interface Candidate {
  readonly personId: number;
  readonly score: number;
}

/**
 * Persons that a face may belong to, best first.
 * @param excluded persons that have another face in the same photo
 */
export function candidates(
  neighbours: readonly Neighbour[],
  excluded: ReadonlySet<number>,
  rules: AssignRules,
): Candidate[] {
  const voices = new Map<number, Neighbour[]>();
  for (const neighbour of [...neighbours].sort((a, b) => b.score - a.score)) {
    if (neighbour.score < rules.sameAbove || excluded.has(neighbour.personId)) continue;
    const of = voices.get(neighbour.personId) ?? [];
    if (of.length < VOICES) voices.set(neighbour.personId, [...of, neighbour]);
  }
  return [...voices]
    .map(([personId, of]) => {
      const weight = of.reduce((sum, { quality }) => sum + quality, 0);
      const mean = of.reduce((sum, { score, quality }) => sum + score * quality, 0) / (weight || 1);
      // Many neighbours count a little more than one of the same similarity.
      return { personId, score: mean * (1 - 0.05 / of.length) };
    })
    .sort((a, b) => b.score - a.score || a.personId - b.personId);
}

/** The two persons that a face shows to be one; undefined if there are no such persons. */
export function joined(found: readonly Candidate[], rules: AssignRules): readonly [number, number] | undefined {
  const [first, second] = found;
  if (!first || !second || second.score < rules.joinAbove) return undefined;
  return [first.personId, second.personId];
}
