// A lock that never outlives its holder: a file that the holder writes again every second. Another process that sees no
// change for a while may take it, whatever became of the holder: process ids say nothing across containers (or as pid
// 1), clocks differ between machines, and a lock that its holder must remove survives a kill. A holder that only slept
// may find its lock taken.

import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

import { codeOf } from "./refusal.ts";

export interface LockTiming {
  readonly beatMs: number;
  /** Beats missing for so long: the holder is gone. */
  readonly silentMs: number;
}

export class LockFile {
  /** Random: the first word of the file while it is ours. */
  readonly token = randomBytes(8).toString("hex");
  readonly #path: string;
  readonly #about: readonly string[];
  #timer: NodeJS.Timeout | undefined;

  /** `about`: words after the token, for others to read. */
  constructor(path: string, about: readonly string[] = []) {
    this.#path = path;
    this.#about = about;
  }

  get isOurs(): boolean {
    return this.read()?.split(" ")[0] === this.token;
  }

  /** Whether there was none. Throws the system's error when the file cannot be made. */
  create(): boolean {
    try {
      writeFileSync(this.#path, this.#content(0), { flag: "wx" });
      return true;
    } catch (error) {
      if (codeOf(error) === "EEXIST") return false;
      throw error;
    }
  }

  /** What its holder wrote last. */
  read(path = this.#path): string | undefined {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Moves a silent holder's file away. Two may try at once: what the later one moved is a live lock, and goes back. */
  takeAway(silent: string): boolean {
    const aside = `${this.#path}.${this.token}`;
    try {
      renameSync(this.#path, aside);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return false;
      throw error;
    }
    const isSilent = this.read(aside) === silent;
    if (isSilent) rmSync(aside);
    else renameSync(aside, this.#path);
    return isSilent;
  }

  /** Writes it again every `beatMs` for as long as it is ours. Gives the timer. */
  beat(beatMs: number): NodeJS.Timeout {
    let beats = 0;
    const timer = setInterval(() => {
      beats += 1;
      if (!this.isOurs || !this.#write(beats)) clearInterval(timer);
    }, beatMs);
    this.#timer = timer;
    return timer;
  }

  release(): void {
    clearInterval(this.#timer);
    if (this.isOurs) rmSync(this.#path, { force: true });
  }

  /** Whether it could be written: a full disk must not stop the work that may free it. */
  #write(beats: number): boolean {
    try {
      // Written over the old content: the lock must never be seen empty.
      writeFileSync(this.#path, this.#content(beats), { flag: "r+" });
      return true;
    } catch {
      return false;
    }
  }

  #content(beats: number): string {
    return [this.token, ...this.#about, beats].join(" ");
  }
}
