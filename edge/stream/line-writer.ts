// Writes a stream's answer as its client reads it, and notices when the client does not.

import type { CallTimer } from "../lib/call-timer.ts";

/** A client that takes nothing for so long, and still sends, waits for us to read first. */
const NOT_READING_MS = 10_000;
/** A client that takes nothing for so long is gone. */
const GONE_MS = 120_000;
const TICK_MS = 1000;

/** Nobody reads the answer any more. */
export class ReaderGone extends Error {
  override name = "ReaderGone";
}

export class LineWriter {
  readonly #timer: Pick<CallTimer, "after">;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #on;

  /** `touch` is called for each piece that is taken, `notReading` for one that is not within NOT_READING_MS. */
  constructor(
    timer: Pick<CallTimer, "after">,
    writable: WritableStream<Uint8Array>,
    on: { readonly touch: () => void; readonly notReading: () => void },
  ) {
    this.#timer = timer;
    this.#writer = writable.getWriter();
    this.#on = on;
  }

  /** Resolves when the piece has been taken. Throws ReaderGone. */
  async send(piece: Uint8Array): Promise<void> {
    const over = new ReaderGone();
    const isLate = this.#timer.after(NOT_READING_MS, this.#on.notReading);
    const isGone = this.#timer.after(GONE_MS, () => void this.abort(over));
    try {
      await this.#writer.write(piece);
      this.#on.touch();
    } catch {
      throw over;
    } finally {
      isLate();
      isGone();
    }
  }

  /** What `work` resolves to. Until then `tick` is called every second. */
  async whileWaiting<Result>(work: Promise<Result>, tick: () => Promise<void>): Promise<Result> {
    work.catch(() => undefined); // a tick that fails leaves it alone
    for (;;) {
      let cancel = (): unknown => undefined;
      const second = new Promise<"tick">((resolve) => {
        cancel = this.#timer.after(TICK_MS, () => resolve("tick"));
      });
      const first = await Promise.race([work.then((result) => ({ result })), second]);
      cancel();
      if (first !== "tick") return first.result;
      await tick();
    }
  }

  async close(): Promise<void> {
    await this.#writer.close().catch(() => undefined);
  }

  async abort(reason: unknown): Promise<void> {
    await this.#writer.abort(reason).catch(() => undefined);
  }
}
