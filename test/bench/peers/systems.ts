// The systems of the bench, each in a process of its own that answers one line of JSON for one line of JSON. While one
// works the others are stopped (SIGSTOP), so that no spinning thread of theirs takes a core.

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface, type Interface } from "node:readline";

import { must } from "../../../shared/assert.ts";
import { treeCpuMs } from "../edge/process-tree.ts";

export type Clock = "wall" | "processor";

export interface Task {
  readonly mix: string;
  readonly lengths: readonly number[];
  /** A system that can batch in several ways tries them now and keeps the fastest for this mix. */
  readonly warmUp: boolean;
}

/** Asks for vectors rather than for time. */
export interface EmbedTask {
  /** Token ids of each text. */
  readonly ids: readonly (readonly number[])[];
}

/** The first line says what the system is, each later one how long a task took, or its vectors. */
export interface Answer {
  readonly milliseconds?: number;
  readonly detail?: string;
  /** Whether it takes an EmbedTask: then its weights are the checkpoint's. */
  readonly embeds?: boolean;
  readonly vectors?: readonly (readonly number[])[];
  /** With the first line: how long its weights took to load, everything else being ready. */
  readonly loadMs?: number;
}

export interface Command {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
}

export class System {
  readonly name: string;
  readonly detail: string;
  readonly embeds: boolean;
  /** Milliseconds. */
  readonly loadMs: number;
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #waiting: ((answer: Answer) => void)[];

  private constructor(name: string, first: Answer, child: ChildProcess, lines: Interface, waiting: Waiting) {
    this.name = name;
    this.detail = first.detail ?? "";
    this.embeds = first.embeds === true;
    this.loadMs = first.loadMs ?? Number.NaN;
    this.#child = child;
    this.#lines = lines;
    this.#waiting = waiting;
    child.kill("SIGSTOP");
  }

  /** Starts it and waits until it has loaded. Undefined when it ends instead. */
  static async start({ name, program, args, cwd }: Command): Promise<System | undefined> {
    const child = spawn(program, [...args], { stdio: ["pipe", "pipe", "inherit"], ...(cwd !== undefined && { cwd }) });
    const waiting: Waiting = [];
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => waiting.shift()?.(JSON.parse(line) as Answer));
    const first = await new Promise<Answer | undefined>((resolve) => {
      waiting.push(resolve);
      child.once("error", () => resolve(undefined));
      child.once("exit", () => resolve(undefined));
    });
    return first === undefined ? undefined : new System(name, first, child, lines, waiting);
  }

  /** The largest resident memory that it has had, in MB, mapped weights that it touched included. */
  peakMb(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Math.round(Number(/VmHWM:\s+(\d+)/u.exec(status)?.[1] ?? Number.NaN) / 1024);
  }

  /** Milliseconds that the task took: by its own clock, or of processor time, as the kernel counts it for the process. */
  async run(task: Task, clock: Clock): Promise<number> {
    const pid = must(this.#child.pid, "a process that was started");
    const before = treeCpuMs(pid);
    const { milliseconds = Number.NaN } = await this.#ask(task);
    return clock === "wall" ? milliseconds : treeCpuMs(pid) - before;
  }

  /** A vector for each text. */
  async embed(task: EmbedTask): Promise<readonly (readonly number[])[]> {
    return (await this.#ask(task)).vectors ?? [];
  }

  async #ask(task: Task | EmbedTask): Promise<Answer> {
    // The kernel may have ended it while it was stopped, for its memory.
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw new Error(`${this.name} ended`);
    this.#child.kill("SIGCONT");
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#waiting.push(resolve);
      this.#child.once("exit", () => reject(new Error(`${this.name} ended`)));
      this.#child.stdin?.write(`${JSON.stringify(task)}\n`);
    });
    this.#child.removeAllListeners("exit");
    this.#child.kill("SIGSTOP");
    return answer;
  }

  close(): void {
    this.#lines.close();
    this.#child.kill("SIGKILL");
  }
}

type Waiting = ((answer: Answer) => void)[];
