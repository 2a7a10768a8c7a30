// The lines of a stream's answer, told apart.

export interface Item {
  readonly index: number;
  readonly id?: string | number;
  readonly embedding?: readonly number[] | string;
  readonly error?: { readonly code: string; readonly message: string; readonly param: string | null };
  readonly tokens: number;
}
export interface Progress {
  readonly done: number;
  readonly tokens: number;
  readonly cost_usd: number;
  readonly remaining_usd: number;
  readonly resume: string;
}
export interface Last extends Progress {
  readonly complete: boolean;
  readonly failed: number;
  readonly model: string;
  readonly revision?: string;
  readonly error?: { readonly code: string; readonly message: string; readonly retry_after_s?: number };
}
export interface Lines {
  readonly items: readonly Item[];
  readonly progress: readonly Progress[];
  readonly last: Last | undefined;
}

export function linesOf(text: string): Lines {
  const items: Item[] = [];
  const progress: Progress[] = [];
  let last: Last | undefined;
  for (const json of text.split("\n")) {
    if (json === "") continue;
    const line = JSON.parse(json) as Item & Progress & Last;
    if ("complete" in line) last = line;
    else if ("index" in line) items.push(line);
    else progress.push(line);
  }
  return { items, progress, last };
}
