/** Vectors of float32. */

/** @throws Error that names the first number that is not finite */
export function assertFinite(vector: Float32Array): void {
  const at = vector.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw new Error(`the model gave ${vector[at]} at position ${at}`);
}

export const norm = (vector: Float32Array): number => Math.sqrt(dot(vector, vector));

/** The vector scaled to length 1; a zero vector stays. */
export function normalized(vector: Float32Array): Float32Array {
  const length = norm(vector);
  return length > 0 ? vector.map((value) => value / length) : vector;
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] as number) * (b[index] as number);
  return sum;
}

/** The cosine similarity, from −1 to 1. */
export const cosine = (a: Float32Array, b: Float32Array): number => dot(a, b) / (norm(a) * norm(b) || 1);
