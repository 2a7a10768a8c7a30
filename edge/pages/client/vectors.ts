// What the playground computes from vectors: similarities, prefixes (MRL), a map of two dimensions. Pure.

export type Vector = readonly number[];

/** The first `dimensions` numbers, normalised again, as the API does for `dimensions`. */
export function prefix(vector: Vector, dimensions: number): Vector {
  const cut = vector.slice(0, dimensions);
  const norm = Math.sqrt(dot(cut, cut));
  return norm === 0 ? cut : cut.map((value) => value / norm);
}

/** Cosines of all pairs of unit vectors. */
export function similarities(vectors: readonly Vector[]): readonly (readonly number[])[] {
  return vectors.map((a) => vectors.map((b) => dot(a, b)));
}

export interface MrlCost {
  /** Mean and largest |change| of a pair's similarity against the full vectors. */
  readonly meanChange: number;
  readonly maxChange: number;
  /** Texts whose nearest other text stayed the same. */
  readonly sameNearest: number;
}

/** How much a prefix changes: `cut` compared with `full`, both from `similarities`. */
export function mrlCost(full: readonly (readonly number[])[], cut: readonly (readonly number[])[]): MrlCost {
  const changes = full.flatMap((row, a) =>
    row.flatMap((value, b) => (b > a ? [Math.abs(value - (cut[a]?.[b] ?? 0))] : [])),
  );
  const same = full.filter((row, place) => nearest(row, place) === nearest(cut[place] ?? [], place));
  return {
    meanChange: changes.length === 0 ? 0 : changes.reduce((sum, change) => sum + change, 0) / changes.length,
    maxChange: Math.max(0, ...changes),
    sameNearest: same.length,
  };
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

const POWER_STEPS = 200;

/**
 * The two directions in which the texts differ most: principal components of the centred vectors, by power iteration on
 * their Gram matrix (few texts, many dimensions). One point a vector; fewer than two texts are at the origin.
 */
export function principalMap(vectors: readonly Vector[]): readonly Point[] {
  const mean = (vectors[0] ?? []).map(
    (_, place) => vectors.reduce((sum, vector) => sum + (vector[place] ?? 0), 0) / vectors.length,
  );
  const centred = vectors.map((vector) => vector.map((value, place) => value - (mean[place] ?? 0)));
  const gram = similarities(centred);
  const first = component(gram);
  const rest = gram.map((row, a) =>
    row.map((value, b) => value - first.value * (first.vector[a] ?? 0) * (first.vector[b] ?? 0)),
  );
  const second = component(rest);
  return vectors.map((_, place) => ({
    x: (first.vector[place] ?? 0) * Math.sqrt(Math.max(0, first.value)),
    y: (second.vector[place] ?? 0) * Math.sqrt(Math.max(0, second.value)),
  }));
}

/** The largest eigenvalue of a symmetric matrix without negative ones, and its unit vector. */
function component(matrix: readonly (readonly number[])[]): {
  readonly value: number;
  readonly vector: readonly number[];
} {
  // An irregular start is never orthogonal to the component, whatever symmetry the texts have.
  let vector = unit(matrix.map((_, place) => Math.sin(place + 1)));
  for (let step = 0; step < POWER_STEPS; step += 1) vector = unit(matrix.map((row) => dot(row, vector)));
  return {
    value: dot(
      vector,
      matrix.map((row) => dot(row, vector)),
    ),
    vector,
  };
}

function unit(vector: Vector): Vector {
  const norm = Math.sqrt(dot(vector, vector));
  return norm < 1e-12 ? vector.map(() => 0) : vector.map((value) => value / norm);
}

function nearest(row: readonly number[], self: number): number {
  let best = -1;
  for (const [place, value] of row.entries()) {
    if (place !== self && (best === -1 || value > (row[best] ?? 0))) best = place;
  }
  return best;
}

function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (const [place, value] of a.entries()) sum += value * (b[place] ?? 0);
  return sum;
}
