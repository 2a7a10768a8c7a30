// Runs the lines of a slice in as few calls as their terms allow, some of the calls at once. A call that fails because of one line
// is halved until that line runs by itself and fails without the others.

import { PART_TOKENS_MIN } from "../backend/split.ts";
import { atOnce } from "../lib/at-once.ts";
import type { Fault } from "../../shared/errors.ts";
import type { RunnableLine } from "./slice-prepare.ts";
import { faultOfLine } from "./slice-scope.ts";

export interface GroupWork<Result> {
  /** One call for lines of equal terms. Throws ApiError. */
  call(lines: readonly RunnableLine[]): Promise<Result>;
  done(lines: readonly RunnableLine[], result: Result): void;
  failed(line: RunnableLine, fault: Fault): void;
}

/** Each has one connection to a backend; what it looks up and /ready need some too (lib/at-once.ts). */
const GROUPS_AT_ONCE = 3;
/** A call of fewer tokens goes to one backend whole. */
const SMALL_TOKENS = 2 * PART_TOKENS_MIN;

/**
 * Throws a fault of `call` that is not a line's own (slice-scope.ts), when the calls that run with it have ended; no others are
 * begun then.
 */
export async function inGroups<Result>(lines: readonly RunnableLine[], work: GroupWork<Result>): Promise<void> {
  const groups = groupsOf(lines);
  const slot = atOnce(GROUPS_AT_ONCE);
  const failures: unknown[] = [];
  await Promise.all(
    groups.filter(isSmall).map((group) =>
      slot(async () => {
        if (failures.length > 0) return;
        await runGroup(group, work).catch((error: unknown) => failures.push(error));
      }),
    ),
  );
  if (failures.length > 0) throw failures[0];
  // In several parts, each with a connection of its own.
  for (const group of groups) if (!isSmall(group)) await runGroup(group, work);
}

function isSmall(group: readonly RunnableLine[]): boolean {
  return group.reduce((sum, { tokensMax }) => sum + tokensMax, 0) < SMALL_TOKENS;
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
