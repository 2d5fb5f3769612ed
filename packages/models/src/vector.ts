/** Vectors of float32. */

/** @throws Error naming the first number that is not finite */
export function assertFinite(vector: Float32Array): void {
  const at = vector.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw new Error(`the model gave ${vector[at]} at position ${at}`);
}

export const norm = (vector: Float32Array): number => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));

/** The vector at length 1; a zero vector stays. */
export function normalized(vector: Float32Array): Float32Array {
  const length = norm(vector);
  return length > 0 ? vector.map((value) => value / length) : vector;
}

/** From −1 to 1. */
export function cosine(a: Float32Array, b: Float32Array): number {
  const dot = a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
  return dot / (norm(a) * norm(b) || 1);
}
