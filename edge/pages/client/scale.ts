// The labelled points of a chart's axes. Pure.

/** About `count` round, whole numbers from 0 to at least `max`; a `max` of 0 gives [0]. */
export function ticks(max: number, count: number): readonly number[] {
  if (max <= 0) return [0];
  const rough = max / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factors = power < 10 ? [1, 2, 5, 10] : [1, 2, 2.5, 5, 10];
  const step = Math.max(1, factors.map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough);
  const last = Math.ceil(max / step - 1e-9);
  return Array.from({ length: last + 1 }, (_, index) => index * step);
}

/** At most `count` of `length` places, evenly spaced, always the last one. */
export function spread(length: number, count: number): readonly number[] {
  const step = Math.max(1, Math.ceil(length / count));
  const places: number[] = [];
  for (let place = length - 1; place >= 0; place -= step) places.unshift(place);
  return places;
}
