// Runs a job from corpus to vectors: check, quote, ask, embed, write.

import type { Clock } from "./api.ts";
import { Api, Stopped } from "./api.ts";
import { consent, quoteLines } from "./consent.ts";
import type { Offer } from "./consent.ts";
import { embedCorpus, isNeeded } from "./embed.ts";
import { checkOut, clearJob, holdFolder, jobFolderOf } from "./job-folder.ts";
import type { Job, JobSettings } from "./job.ts";
import { continuedJob, newJob, readJob, writeJob } from "./job.ts";
import type { Options } from "./options.ts";
import type { Output } from "./out/write-output.ts";
import { writeOutput } from "./out/write-output.ts";
import { Pace } from "./pace.ts";
import { Progress, counted, many } from "./progress.ts";
import type { Quote } from "./quote.ts";
import { quote } from "./quote.ts";
import { dimensionsOf, requestFields, textFields, textsMaxOf } from "./request-shape.ts";
import { openCorpus } from "./rows/open-corpus.ts";
import type { BadRow, Corpus, Row } from "./rows/row.ts";
import { hashOf } from "./rows/row.ts";
import type { Scan } from "./scan.ts";
import { scan } from "./scan.ts";
import type { ServedModel } from "./service.ts";
import { Bounds, readAccount, readModel } from "./service.ts";
import { Spend } from "./spend.ts";
import { Stop } from "./stop.ts";
import { TextTable } from "./text-table.ts";
import { VectorStore, loadRecords } from "./vector-store.ts";
import type { PendingRequest } from "./vector-store.ts";
import { formatUsd, nanoUsd } from "../../shared/money.ts";

export interface JobContext {
  readonly clock: Clock;
  readonly say: (line: string) => void;
  /** Undefined: there is nobody to ask. */
  readonly ask: ((question: string) => Promise<boolean>) | undefined;
  /** Draws the bar; undefined: progress is shown in lines. */
  readonly bar: ((text: string) => void) | undefined;
  readonly stop: AbortController;
  /** Whether finished work survives the machine's end too (vector-store.ts). */
  readonly sync: boolean;
}

const KEY_LIFE_MS = 86_400_000;

/** Runs the job. Throws Stop, CorpusError, Refusal, or Stopped. */
export async function runJob(options: Options, context: JobContext): Promise<void> {
  const { out, dryRun } = options;
  checkOut(out);
  const run = new Run(options, context);
  if (dryRun) return run.dry();
  const lock = await holdFolder(out);
  try {
    await run.whole(() => lock.check());
  } finally {
    lock.release();
  }
}

interface Checked {
  readonly model: ServedModel;
  readonly bounds: Bounds;
  readonly known: Job | undefined;
  readonly scanned: Scan;
  readonly quoted: Quote;
  readonly settings: JobSettings;
  /** The question to the user; undefined if there is nothing to embed. */
  readonly offer: Offer | undefined;
}

class Run {
  readonly #options: Options;
  readonly #context: JobContext;
  readonly #folder: string;
  readonly #corpus: Corpus;
  readonly #pace: Pace;
  readonly #api: Api;
  readonly #table = new TextTable();
  /** Why a text is left out, by its slot. */
  readonly #refusals = new Map<number, string>();

  constructor(options: Options, context: JobContext) {
    this.#options = options;
    this.#context = context;
    this.#folder = jobFolderOf(options.out);
    this.#corpus = stoppable(openCorpus(options.corpus, options.fields), context.stop.signal);
    this.#pace = new Pace(options.concurrency);
    const { clock, say, stop } = context;
    this.#api = new Api(options.url, options.key, { pace: this.#pace, clock, say, stop: stop.signal });
  }

  async dry(): Promise<void> {
    await this.#check();
    this.#context.say("Nothing was sent (--dry-run).");
  }

  /** `check` throws when the folder is no longer ours. */
  async whole(check: () => void): Promise<void> {
    const options = this.#options;
    const version = this.#corpus.version();
    const checked = await this.#check();
    const { known, settings, scanned, offer } = checked;
    if (offer !== undefined) await consent(offer, this.#context.ask);
    if (known === undefined) clearJob(options.out);
    const job = known === undefined ? newJob(settings) : continuedJob(known, settings, options.out);
    writeJob(this.#folder, job);
    const store = await VectorStore.open(this.#folder, job, { check, sync: this.#context.sync });
    try {
      if (offer !== undefined) await this.#embed(checked, job, store);
      if (this.#corpus.version() !== version) {
        throw new Stop(
          `${this.#corpus.name} has changed since it was checked: run the job again, which embeds what is new.`,
        );
      }
      const { dtype, dimensions } = job;
      const output = await writeOutput({
        out: options.out,
        format: options.format,
        shape: { dtype, dimensions, ids: scanned.ids },
        corpus: this.#corpus,
        table: this.#table,
        store,
        refusals: this.#refusals,
      });
      this.#tell(job, store, output);
    } finally {
      await store.close();
    }
  }

  /** Everything before the first paid request: the corpus, the folder, the quote. */
  async #check(): Promise<Checked> {
    const options = this.#options;
    const { say } = this.#context;
    const model = await readModel(this.#api, options.model);
    const dimensions = dimensionsOf(options, model);
    const bounds = new Bounds(model, options);
    const known = options.restart ? undefined : readJob(this.#folder);
    const settings = (revision: string | undefined): JobSettings => ({
      model: model.id,
      revision: revision ?? model.revision ?? known?.revision ?? "",
      dimensions,
      dtype: options.dtype,
      input_type: options.inputType ?? null,
      instruction: options.instruction ?? null,
      truncate: options.truncate,
    });
    if (known !== undefined) {
      continuedJob(known, settings(undefined), options.out);
      await loadRecords(this.#folder, this.#table);
    }
    const scanned = await scan(this.#corpus, this.#table, bounds);
    this.#tellScan(scanned);
    const quoted = await quote({
      api: this.#api,
      corpus: this.#corpus,
      table: this.#table,
      bounds,
      scan: scanned,
      truncates: options.truncate !== "none",
      fields: { model: model.id, ...textFields(options) },
      refuse: (row, reason) => this.#refuse(row, reason),
    });
    const spent = known === undefined ? 0 : VectorStore.totals(this.#folder).costNanoUsd;
    const final = settings(quoted.revision);
    if (known !== undefined) continuedJob(known, final, options.out);
    const common = { model, bounds, known, scanned, quoted, settings: final };
    if (scanned.fresh === quoted.refused) {
      say("Nothing is to be embedded.");
      return { ...common, offer: undefined };
    }
    const account = await readAccount(this.#api);
    const offer = { options, bounds, scan: scanned, quote: quoted, account, spent };
    for (const line of quoteLines(offer)) say(line);
    return { ...common, offer };
  }

  async #embed({ model, bounds, scanned, quoted }: Checked, job: Job, store: VectorStore): Promise<void> {
    const { clock, stop, say, bar } = this.#context;
    const { tier, maxCost } = this.#options;
    const progress = new Progress(
      { now: clock.now, isTerminal: bar !== undefined, write: bar ?? ((text) => say(text.trimEnd())) },
      { texts: scanned.fresh - quoted.refused, bound: scanned.freshBound },
    );
    this.#tellOld(store);
    const timer = setInterval(() => progress.show(), progress.everyMs);
    try {
      await embedCorpus({
        api: this.#api,
        clock,
        corpus: this.#corpus,
        table: this.#table,
        bounds,
        job,
        store,
        pace: this.#pace,
        spend: new Spend(maxCost, store.totals.costNanoUsd),
        progress,
        textsMax: textsMaxOf(job, model),
        fields: requestFields(job),
        headers: tier === "batch" ? { "x-tier": tier } : {},
        refuse: (row, reason) => this.#refuse(row, reason),
        stop,
      });
    } catch (error) {
      throw this.#withRest(error, progress, scanned, store);
    } finally {
      clearInterval(timer);
      progress.end();
    }
  }

  /** Why the job ends, and how far it is. */
  #withRest(error: unknown, progress: Progress, scanned: Scan, store: VectorStore): unknown {
    if (!(error instanceof Stop) && !(error instanceof Stopped)) return error;
    const { texts, costNanoUsd } = progress.done;
    const rest = `This run embedded ${many(texts, "text")} for $${formatUsd(nanoUsd(costNanoUsd))} (the job: $${formatUsd(nanoUsd(store.totals.costNanoUsd))}); ${counted(Math.max(0, scanned.fresh - texts))} are missing. The same command goes on.`;
    return error instanceof Stopped ? new Stopped(`Stopped. ${rest}`) : new Stop(`${error.message}\n${rest}`);
  }

  /** Handles a text that the API refuses: names its row, or leaves it out. */
  #refuse(row: Row, reason: string): void {
    if (!this.#options.skipBad) {
      throw new Stop(`${this.#placeOf(row)}: ${reason}. (--skip-bad leaves such rows out.)`);
    }
    this.#refusals.set(this.#table.find(hashOf(row.text)), reason);
  }

  #placeOf({ line }: Row | BadRow): string {
    return this.#corpus.unit === "line" ? `${this.#corpus.name}:${line}` : `${this.#corpus.name}, row ${line}`;
  }

  #tellScan({ rows, bad, firstBad, distinct, fresh }: Scan): void {
    const { skipBad } = this.#options;
    const list = firstBad.map((row) => `${this.#placeOf(row)}: ${row.reason}`).join("\n");
    if (bad > 0 && !skipBad) {
      const more = bad > firstBad.length ? `\nand ${counted(bad - firstBad.length)} more` : "";
      throw new Stop(`${list}${more}\nNothing was sent. Mend the rows, or leave them out with --skip-bad.`);
    }
    if (rows === 0) throw new Stop(`${this.#corpus.name} has no rows with a text.`);
    const done = distinct - fresh;
    this.#context.say(
      `${this.#corpus.name}: ${many(rows, "row")}, ${many(distinct, "distinct text")}${done > 0 ? `, ${counted(done)} of them embedded already` : ""}${bad > 0 ? `; left out: ${many(bad, "bad row")}` : ""}.`,
    );
  }

  /** The API remembers a request for a day. */
  #tellOld(store: VectorStore): void {
    const nowMs = this.#context.clock.now();
    const isOld = ({ sinceMs }: PendingRequest): boolean => nowMs - sinceMs > KEY_LIFE_MS;
    const old = [...store.pending()].filter((request) => isOld(request) && isNeeded(this.#table, request));
    if (old.length === 0) return;
    this.#context.say(
      `Without an answer for over 24 hours: ${many(old.length, "request")} of an earlier run. The API has forgotten them, so what it charged for them then it charges again.`,
    );
  }

  #tell(job: Job, store: VectorStore, { rows, bad, files }: Output): void {
    const { say } = this.#context;
    const { costNanoUsd, tokens } = store.totals;
    say(
      `${many(rows, "vector")} of ${job.dimensions} dimensions (${job.dtype}, ${job.model}, revision ${job.revision}): ${files.join(", ")}`,
    );
    say(`The job: ${counted(tokens)} tokens, $${formatUsd(nanoUsd(costNanoUsd))}.`);
    if (bad > 0) say(`Left out: ${many(bad, "row")}; bad-rows.jsonl says why.`);
  }
}

/** The corpus, but reading it ends when the job stops. */
function stoppable(corpus: Corpus, stop: AbortSignal): Corpus {
  return {
    ...corpus,
    async *rows() {
      for await (const rows of corpus.rows()) {
        if (stop.aborted) throw new Stopped();
        yield rows;
      }
    },
  };
}
