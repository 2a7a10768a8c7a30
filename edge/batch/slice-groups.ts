// Lines of a slice in as few calls as their terms allow. Where a call fails through the fault of a line, it is halved
// until that line is alone, and fails alone.

import type { Fault } from "../../shared/errors.ts";
import type { RunnableLine } from "./slice-prepare.ts";
import { faultOfLine } from "./slice-scope.ts";

export interface GroupWork<Result> {
  /** One call for lines of equal terms. Throws ApiError. */
  call(lines: readonly RunnableLine[]): Promise<Result>;
  done(lines: readonly RunnableLine[], result: Result): void;
  failed(line: RunnableLine, fault: Fault): void;
}

/** Throws what `call` throws and is no line's fault (slice-scope.ts). */
export async function inGroups<Result>(lines: readonly RunnableLine[], work: GroupWork<Result>): Promise<void> {
  for (const group of groupsOf(lines)) await runGroup(group, work);
}

/** Lines that may share a frame. */
function groupsOf(lines: readonly RunnableLine[]): readonly (readonly RunnableLine[])[] {
  const groups = new Map<string, RunnableLine[]>();
  for (const line of lines) {
    const { model, prefix, truncate, texts } = line.prepared;
    // Token ids are judged by how many of a call's arrays make no sense: such a line is a call of its own.
    const own = texts[0]?.kind === "ids" ? line.line : 0;
    const terms = JSON.stringify([model.id, prefix, truncate, own]);
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
