// Runs the lines of a slice in as few calls as their terms allow. A call that fails because of one line is halved until
// that line runs by itself and fails without the others.

import type { Fault } from "../../shared/errors.ts";
import type { RunnableLine } from "./slice-prepare.ts";
import { faultOfLine } from "./slice-scope.ts";

export interface GroupWork<Result> {
  /** One call for lines of equal terms. Throws ApiError. */
  call(lines: readonly RunnableLine[]): Promise<Result>;
  done(lines: readonly RunnableLine[], result: Result): void;
  failed(line: RunnableLine, fault: Fault): void;
}

/** Throws a fault of `call` that is not a line's own (slice-scope.ts). */
export async function inGroups<Result>(lines: readonly RunnableLine[], work: GroupWork<Result>): Promise<void> {
  for (const group of groupsOf(lines)) await runGroup(group, work);
}

/** Pairs each line with its own part of `values`, which has one value for each text of all the lines, in order. */
export function* splitByLine<Value>(
  lines: readonly RunnableLine[],
  values: readonly Value[],
): Generator<readonly [RunnableLine, readonly Value[]]> {
  let from = 0;
  for (const line of lines) {
    const to = from + line.prepared.texts.length;
    yield [line, values.slice(from, to)];
    from = to;
  }
}

/** Groups the lines that may share a frame. */
function groupsOf(lines: readonly RunnableLine[]): readonly (readonly RunnableLine[])[] {
  const groups = new Map<string, RunnableLine[]>();
  for (const line of lines) {
    const { model, prefix, query, truncate, onError, revision, texts } = line.prepared;
    // Token ids are judged by how many of a call's arrays make no sense, so such a line is a call of its own.
    const own = texts[0]?.kind === "ids" ? line.line : 0;
    const terms = JSON.stringify([model.id, prefix, query, truncate, onError, revision, own]);
    const group = groups.get(terms);
    if (group === undefined) groups.set(terms, [line]);
    else group.push(line);
  }
  return [...groups.values()];
}

async function runGroup<Result>(lines: readonly RunnableLine[], work: GroupWork<Result>): Promise<void> {
  let result: Result;
  try {
    result = await work.call(lines);
  } catch (error) {
    const fault = faultOfLine(error);
    const [only] = lines;
    if (only !== undefined && lines.length === 1) {
      work.failed(only, fault);
      return;
    }
    const middle = Math.ceil(lines.length / 2);
    await runGroup(lines.slice(0, middle), work);
    await runGroup(lines.slice(middle), work);
    return;
  }
  work.done(lines, result);
}
