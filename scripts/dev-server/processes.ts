// Records the processes that use a data folder. `kill -9` on this program leaves workerd serving and holding the port
// (measured), and perhaps the backend. Their pids are in DIR/pids.json, and the next start ends those that are left. A
// pid may have been reused since, so a process is ended only if its command line is one of ours.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { StartError } from "./options.ts";

/** `supervisor`: this program; `children`: workerd and the backend. */
const pidsSchema = z.object({ supervisor: z.number(), children: z.array(z.number()).readonly() });
type Pids = z.infer<typeof pidsSchema>;

const OURS = { supervisor: /start\.mjs|vitest/, children: /workerd|gpu-backend\/start\.mjs/ };
const KILL_WAIT_MS = 5000;

export class ProcessFile {
  readonly #path: string;
  #children: readonly number[] = [];

  constructor(dataDir: string) {
    this.#path = join(dataDir, "pids.json");
  }

  /** Takes the folder and ends orphans of an earlier start. Throws StartError if a running start uses it. */
  async take(): Promise<void> {
    const left = this.#read();
    if (left !== undefined) {
      if (left.supervisor !== process.pid && isOurs(left.supervisor, OURS.supervisor)) {
        throw new StartError(
          `Already running on this data folder (process ${left.supervisor}): stop it first, or use --data for another folder.`,
        );
      }
      await Promise.all(left.children.filter((pid) => isOurs(pid, OURS.children)).map(endProcess));
    }
    this.#write();
  }

  /** Records the children that must not outlive this program. */
  note(children: readonly number[]): void {
    this.#children = children;
    this.#write();
  }

  release(): void {
    rmSync(this.#path, { force: true });
  }

  #read(): Pids | undefined {
    if (!existsSync(this.#path)) return undefined;
    try {
      return pidsSchema.parse(JSON.parse(readFileSync(this.#path, "utf8")));
    } catch {
      return undefined; // a kill interrupted its writing
    }
  }

  #write(): void {
    writeFileSync(this.#path, JSON.stringify({ supervisor: process.pid, children: this.#children } satisfies Pids), {
      mode: 0o600,
    });
  }
}

/** Pids of `parent`'s children whose command matches, from the process table. */
export function childrenOf(parent: number, command: RegExp): readonly number[] {
  return processTable()
    .filter((process) => process.parent === parent && command.test(process.command))
    .map((process) => process.pid);
}

function isOurs(pid: number, command: RegExp): boolean {
  return processTable().some((process) => process.pid === pid && command.test(process.command));
}

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

function processTable(): readonly ProcessEntry[] {
  const output = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat=,args="], {
    encoding: "utf8",
    maxBuffer: 16 * 1024 * 1024,
  });
  return output.split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line);
    if (match === null || match[3]?.startsWith("Z") === true) return [];
    return [{ pid: Number(match[1]), parent: Number(match[2]), command: match[4] ?? "" }];
  });
}

async function endProcess(pid: number): Promise<void> {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    return; // it ended by itself
  }
  const until = Date.now() + KILL_WAIT_MS;
  while (Date.now() < until && processTable().some((entry) => entry.pid === pid)) await sleep(20);
}
