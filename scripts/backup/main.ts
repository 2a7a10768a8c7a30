// Backup and restore over the operator's API (edge/routes/admin/backup.ts): lines of JSON, gzipped if the file's name
// ends in .gz. A backup is written to FILE.partial and renamed when it is complete.

import { createReadStream, createWriteStream, existsSync, renameSync } from "node:fs";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createGunzip, createGzip } from "node:zlib";
import * as z from "zod";
import { outputOf, type Wrangler, wrangler } from "../deploy/wrangler.ts";

const USAGE = {
  backup: "ADMIN_KEY=… npm run backup -- --url https://OPERATOR-HOST --out FILE[.gz] [--r2 BUCKET]",
  restore: "ADMIN_KEY=… npm run restore -- --url https://OPERATOR-HOST --in FILE[.gz]",
};
const TRIES_MAX = 5;
const PAUSE_MS = 2000;

export interface BackupContext {
  readonly say: (line: string) => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly sleep: (ms: number) => Promise<unknown>;
  readonly run: Wrangler;
}

const REAL: BackupContext = {
  say: (line) => void process.stdout.write(`${line}\n`),
  environment: process.env,
  sleep: (ms) => sleep(ms),
  run: wrangler,
};

const lineSchema = z.discriminatedUnion("kind", [
  z.looseObject({ kind: z.literal("account"), id: z.string() }),
  z.looseObject({ kind: z.literal("directory"), table: z.string(), rows: z.array(z.unknown()) }),
  z.object({ kind: z.literal("more"), after: z.string() }),
  z.object({ kind: z.literal("end") }),
]);

/** A fault that a retry does not help; its message is for the operator. */
class BackupError extends Error {
  override name = "BackupError";
}

/** Exit code: 0 the file is complete, 1 there is none. */
export async function backup(args: readonly string[], context: BackupContext = REAL): Promise<number> {
  return exitCodeOf(context, async () => {
    const { url, file, key, r2 } = readOptions(args, "backup", context);
    const partial = `${file}.partial`;
    const accounts = await writeBackup(url, key, partial, file.endsWith(".gz"), context);
    renameSync(partial, file);
    context.say(`${accounts} accounts are in ${file}`);
    if (r2 === undefined) return;
    const name = `backups/${new Date().toISOString().slice(0, 10)}/${file.split(/[/\\]/).at(-1) ?? "backup"}`;
    outputOf(context.run, `Storing it in R2`, ["r2", "object", "put", `${r2}/${name}`, "--file", file, "--remote"]);
    context.say(`and in the R2 bucket ${r2} as ${name}`);
  });
}

/** Exit code: 0 the whole file was restored, 1 it was interrupted (repeat it). */
export async function restore(args: readonly string[], context: BackupContext = REAL): Promise<number> {
  return exitCodeOf(context, async () => {
    const { url, file, key } = readOptions(args, "restore", context);
    if (!existsSync(file)) throw new BackupError(`${file} is not there.`);
    const counts = { restored: 0, exists: 0 };
    const input = createReadStream(file);
    const source = file.endsWith(".gz") ? input.pipe(createGunzip()) : input;
    let last = "";
    for await (const line of createInterface({ input: source, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.trim() === "") continue;
      const { kind } = parsedLine(line);
      last = kind;
      if (kind === "end") break;
      const outcome = await send(url, key, line, context);
      if (kind === "account") counts[outcome] += 1;
    }
    if (last !== "end")
      throw new BackupError(`${file} is not whole: its last line is no end. What it has was restored.`);
    context.say(`${counts.restored} accounts restored, ${counts.exists} were there and stayed as they are`);
  });
}

async function exitCodeOf(context: BackupContext, work: () => Promise<void>): Promise<number> {
  try {
    await work();
    return 0;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    context.say(error.message);
    return 1;
  }
}

/**
 * Writes every page. A page that breaks off is requested again after the last complete account. Returns the accounts.
 */
async function writeBackup(
  url: string,
  key: string,
  path: string,
  isZipped: boolean,
  context: BackupContext,
): Promise<number> {
  const out = createWriteStream(path, { mode: 0o600 });
  const sink = isZipped ? createGzip() : out;
  if (sink !== out) sink.pipe(out);
  let after: string | undefined;
  let accounts = 0;
  let failures = 0;
  let hasDirectory = false;
  for (let isWhole = false; !isWhole;) {
    try {
      for await (const line of linesOf(url, key, after)) {
        const parsed = parsedLine(line);
        if (parsed.kind === "more") break;
        // A first page that breaks off within the directory's rows begins again; restoring a row twice has no effect.
        if (parsed.kind === "directory" && hasDirectory) continue;
        if (!sink.write(`${line}\n`)) await once(sink, "drain");
        isWhole = parsed.kind === "end";
        if (parsed.kind !== "account") continue;
        hasDirectory = true;
        after = parsed.id;
        accounts += 1;
        failures = 0;
      }
    } catch (error) {
      failures += 1;
      if (error instanceof BackupError || failures === TRIES_MAX) throw error;
      context.say(`broken off, going on${after === undefined ? "" : ` behind ${after}`}: ${String(error)}`);
      await context.sleep(PAUSE_MS * failures);
    }
  }
  sink.end();
  await finished(out);
  return accounts;
}

async function* linesOf(url: string, key: string, after: string | undefined): AsyncGenerator<string> {
  const query = after === undefined ? "" : `?after=${after}`;
  const response = await fetch(`${url}/admin/backup${query}`, { headers: { authorization: `Bearer ${key}` } });
  if (response.status !== 200) throw await refusal(response);
  if (response.body === null) throw new Error("an answer without a body");
  const decoder = new TextDecoder();
  let rest = "";
  let isEnded = false;
  for await (const piece of response.body) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      isEnded = line === '{"kind":"end"}' || line.startsWith('{"kind":"more"');
      yield line;
    }
  }
  if (!isEnded) throw new Error("the answer broke off");
}

async function send(url: string, key: string, line: string, context: BackupContext): Promise<"restored" | "exists"> {
  for (let tried = 1; ; tried += 1) {
    try {
      const response = await fetch(`${url}/admin/restore`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: line,
      });
      if (response.status !== 200) throw await refusal(response);
      return z.object({ outcome: z.enum(["restored", "exists"]) }).parse(await response.json()).outcome;
    } catch (error) {
      if (error instanceof BackupError || tried === TRIES_MAX) throw error;
      await context.sleep(PAUSE_MS * tried);
    }
  }
}

/** A 5xx is retried; any other status is final. */
async function refusal(response: Response): Promise<Error> {
  const sentence = `${response.url} answers ${response.status}: ${(await response.text()).slice(0, 300)}`;
  return response.status >= 500 ? new Error(sentence) : new BackupError(sentence);
}

function parsedLine(line: string): z.output<typeof lineSchema> {
  try {
    return lineSchema.parse(JSON.parse(line));
  } catch {
    throw new BackupError(`This is no line of a backup: ${line.slice(0, 80)}`);
  }
}

function readOptions(args: readonly string[], what: keyof typeof USAGE, { environment }: BackupContext) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        url: { type: "string" },
        [what === "backup" ? "out" : "in"]: { type: "string" },
        ...(what === "backup" && { r2: { type: "string" } }),
      },
    });
    const {
      url,
      out,
      in: source,
      r2,
    } = z
      .object({ url: z.url(), out: z.string().optional(), in: z.string().optional(), r2: z.string().optional() })
      .parse(values);
    const file = what === "backup" ? out : source;
    const key = environment["ADMIN_KEY"];
    if (file === undefined || key === undefined || key === "") throw new Error("The file or ADMIN_KEY is missing.");
    return { url: url.replace(/\/+$/, ""), file, key, r2 };
  } catch (error) {
    const reason = error instanceof z.ZodError ? "--url is missing or no URL." : String(error);
    throw new BackupError(`${reason} Usage: ${USAGE[what]}`);
  }
}
