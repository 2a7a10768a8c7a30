// Sliding windows: which layers attend only to the nearest tokens, by layer_types or by each architecture's rule.

import { CheckpointError } from "../../checkpoint/checkpoint-error.ts";
import { type Fields, honoured } from "../../checkpoint/meaning.ts";
import type { RawConfig } from "../../checkpoint/raw-config.ts";
import { everyLayer } from "./decoder.ts";

export const LAYER_TYPES: Fields = { layer_types: honoured, sliding_window: honoured };
/** Qwen's. */
export const OPTIONAL_WINDOW: Fields = { ...LAYER_TYPES, use_sliding_window: honoured, max_window_layers: honoured };

const MAX_WINDOW_LAYERS_DEFAULT = 28;
const WINDOW_DEFAULT = 4_096;

/**
 * Of each layer: the window, or null. `window`: null if the model has none. `slides`: which layers have it where layer_types
 * says nothing. Throws CheckpointError.
 */
export function windowsOf(
  raw: RawConfig,
  path: string,
  window: number | null,
  slides: (layer: number) => boolean,
): readonly (number | null)[] {
  const types = raw.layer_types?.slice(0, raw.num_hidden_layers);
  const unknown = types?.find((type) => type !== "full_attention" && type !== "sliding_attention");
  if (unknown !== undefined)
    throw new CheckpointError(
      `${path}: layer_types ${unknown} is not supported; full_attention or sliding_attention is`,
    );
  const has = (layer: number): boolean => (types === undefined ? slides(layer) : types[layer] === "sliding_attention");
  if (window === null && types?.includes("sliding_attention"))
    throw new CheckpointError(
      `${path}: layer_types says sliding_attention, and sliding_window (use_sliding_window) that there is none; both have to agree`,
    );
  return everyLayer(raw, window).map((one, layer) => (has(layer) ? one : null));
}

/** Qwen's rule: only if use_sliding_window, and from max_window_layers on. */
export function optionalWindows(raw: RawConfig, path: string): readonly (number | null)[] {
  const used = raw.use_sliding_window === true && raw.sliding_window !== null;
  const first = raw.max_window_layers ?? MAX_WINDOW_LAYERS_DEFAULT;
  return windowsOf(raw, path, used ? (raw.sliding_window ?? WINDOW_DEFAULT) : null, (layer) => layer >= first);
}
