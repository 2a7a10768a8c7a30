// `npm run embed`: embeds a corpus of any size through the public API into one file of vectors. docs/corpus-job.md.

import { createInterface } from "node:readline/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Refusal, Stopped } from "./api.ts";
import { USAGE, OptionsError, readOptions } from "./options.ts";
import type { Options } from "./options.ts";
import { CorpusError } from "./rows/row.ts";
import type { JobContext } from "./run-job.ts";
import { runJob } from "./run-job.ts";
import { Stop } from "./stop.ts";

export interface EmbedContext extends Omit<JobContext, "stop"> {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Calls `stop` when the user wants the job to end; returns a function that undoes this. */
  readonly onInterrupt: (stop: () => void) => () => void;
}

const INTERRUPTED = 130;

/** Exit code: 0 all vectors written, 1 ended early (the same command continues), 2 wrong arguments, 130 Ctrl-C. */
export async function main(args: readonly string[], context: EmbedContext = real()): Promise<number> {
  let options: Options | undefined;
  try {
    options = readOptions(args, context.environment);
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    context.say(`${error.message} Usage: ${USAGE}`);
    return 2;
  }
  if (options === undefined) {
    context.say(USAGE);
    return 0;
  }
  const stop = new AbortController();
  const forget = context.onInterrupt(() => stop.abort());
  try {
    await runJob(options, { ...context, stop });
    return 0;
  } catch (error) {
    if (error instanceof Stopped) {
      context.say(error.message === "" ? "Stopped. Nothing was sent." : error.message);
      return INTERRUPTED;
    }
    // A system error, such as a full disk, has its own message and harms nothing that is kept.
    const isKnown = error instanceof Stop || error instanceof CorpusError || error instanceof Refusal;
    if (!isKnown && !(error instanceof Error && "syscall" in error)) throw error;
    context.say(error.message);
    return 1;
  } finally {
    forget();
  }
}

function real(): EmbedContext {
  const isTerminal = process.stdout.isTTY && process.stdin.isTTY;
  // On a terminal the progress bar is on this line.
  const say = (line: string): void => void process.stdout.write(`${process.stdout.isTTY ? "\r\u001B[K" : ""}${line}\n`);
  return {
    say,
    environment: process.env,
    sync: true,
    clock: { now: () => Date.now(), sleep: (ms, signal) => sleep(ms, undefined, { signal }) },
    ask: isTerminal ? ask : undefined,
    bar: process.stdout.isTTY ? (text) => void process.stdout.write(text) : undefined,
    onInterrupt: (stop) => {
      let times = 0;
      const interrupted = (): void => {
        times += 1;
        if (times > 1) process.exit(INTERRUPTED);
        say(
          "\nEnding: what is on its way is awaited, so that it need not be asked for again. Ctrl-C again ends at once.",
        );
        stop();
      };
      process.on("SIGINT", interrupted).on("SIGTERM", interrupted);
      return () => void process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
    },
  };
}

async function ask(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  // Ctrl-C and Ctrl-D mean no: the question by itself would wait for ever.
  const cancel = new AbortController();
  terminal.on("SIGINT", () => cancel.abort()).on("close", () => cancel.abort());
  try {
    const answer = await terminal.question(question, { signal: cancel.signal });
    return /^y(?:es)?$/i.test(answer.trim());
  } catch (error) {
    if (!cancel.signal.aborted) throw error;
    process.stdout.write("\n");
    return false;
  } finally {
    terminal.close();
  }
}
