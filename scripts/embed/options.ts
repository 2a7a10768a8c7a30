// The command line of `npm run embed`, checked before anything is read or sent.

import { parseArgs } from "node:util";
import type { Dtype } from "./job.ts";
import { DTYPES } from "./job.ts";
import { FORMATS } from "./out/write-output.ts";
import type { Format } from "./out/write-output.ts";
import type { Fields } from "./rows/row.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { parseUsd } from "../../shared/money.ts";
import { INPUT_TYPE_WORDS } from "../../shared/schemas/input-type.ts";
import type { InputType } from "../../shared/schemas/input-type.ts";
import type { Tier, Truncation } from "../../shared/wire.ts";
import { TIERS, TRUNCATIONS } from "../../shared/wire.ts";

const DEFAULT_URL = "http://127.0.0.1:8787";
const DEFAULT_CONCURRENCY = 16;
const CONCURRENCY_MAX = 256;

export const USAGE = `npm run embed -- CORPUS --out DIR [options], with the key in GIGAROUTER_API_KEY
  CORPUS           .jsonl, .ndjson, .csv, .tsv (each perhaps .gz) or .parquet
  --out            a folder for the vectors, and for what the job needs to go on (job/)
  --url            the API (default ${DEFAULT_URL})
  --model          a model of GET /v1/models (default: the only one that is served)
  --field, --id    the fields with the text (default text) and the id (default id, else the row's number)
  --dimensions     default: the model's own
  --input-type     query or document
  --instruction    what queries are to find
  --truncate       end or start: cuts texts over the model's context (default none: they are refused)
  --dtype          ${DTYPES.join(", ")} (default float32)
  --format         ${FORMATS.join(", ")} (default npy)
  --tier           batch (the default: the batch price, behind interactive calls) or interactive
  --max-cost       USD that the whole job may cost, earlier runs included
  --yes            without asking
  --dry-run        only checks the corpus and quotes
  --skip-bad       leaves rows without a usable text out, and lists them
  --restart        forgets what DIR has, and embeds everything anew
  --concurrency    requests at a time, at most (default ${DEFAULT_CONCURRENCY})`;

export interface Options {
  readonly corpus: string;
  readonly out: string;
  readonly url: string;
  readonly key: string;
  readonly fields: Fields;
  readonly model: string | undefined;
  readonly dimensions: number | undefined;
  readonly inputType: InputType | undefined;
  readonly instruction: string | undefined;
  readonly truncate: Truncation;
  readonly dtype: Dtype;
  readonly format: Format;
  readonly tier: Tier;
  readonly maxCost: NanoUsd | undefined;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly skipBad: boolean;
  readonly restart: boolean;
  readonly concurrency: number;
}

/** A fault of the command line. */
export class OptionsError extends Error {
  override name = "OptionsError";
}

/** Throws OptionsError. `undefined`: only the usage was asked for. */
export function readOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Options | undefined {
  const { values, positionals } = parse(args);
  if (values.help === true) return undefined;
  const [corpus, ...others] = positionals;
  if (corpus === undefined) throw new OptionsError("Name the corpus: a file.");
  if (others.length > 0) throw new OptionsError(`One corpus at a time: "${corpus}", and not "${others.join('", "')}".`);
  const { out, model, instruction } = values;
  if (out === undefined) throw new OptionsError("--out is missing: a folder for the vectors.");
  const key = environment["GIGAROUTER_API_KEY"];
  if (key === undefined || key === "") throw new OptionsError("GIGAROUTER_API_KEY is missing from the environment.");
  if (model !== undefined && /[@:]/.test(model)) {
    throw new OptionsError(`--model is "${model}": say its suffix as --dimensions or --input-type.`);
  }
  return {
    corpus,
    out,
    url: urlOf(values.url ?? DEFAULT_URL),
    key,
    fields: { text: values.field ?? "text", id: values.id },
    model,
    dimensions: integer("--dimensions", values.dimensions, 1, 65_536),
    inputType: inputTypeOf(values["input-type"]),
    instruction,
    truncate: oneOf("--truncate", values.truncate ?? "none", TRUNCATIONS),
    dtype: oneOf("--dtype", values.dtype ?? "float32", DTYPES),
    format: oneOf("--format", values.format ?? "npy", FORMATS),
    tier: oneOf("--tier", values.tier ?? "batch", TIERS),
    maxCost: maxCostOf(values["max-cost"]),
    yes: values.yes === true,
    dryRun: values["dry-run"] === true,
    skipBad: values["skip-bad"] === true,
    restart: values.restart === true,
    concurrency: integer("--concurrency", values.concurrency, 1, CONCURRENCY_MAX) ?? DEFAULT_CONCURRENCY,
  };
}

export function urlOf(value: string): string {
  if (!/^https?:\/\//.test(value) || !URL.canParse(value)) throw new OptionsError(`--url is "${value}", not a URL.`);
  return value.replace(/\/+$/, "").replace(/\/v1$/, "");
}

function inputTypeOf(value: string | undefined): InputType | undefined {
  if (value === undefined) return undefined;
  const word = value.toLowerCase();
  if (INPUT_TYPE_WORDS.query.includes(word)) return "query";
  if (INPUT_TYPE_WORDS.document.includes(word)) return "document";
  throw new OptionsError(`--input-type is "${value}"; it may be query or document.`);
}

export function maxCostOf(value: string | undefined): NanoUsd | undefined {
  const amount = value === undefined ? undefined : parseUsd(value);
  if (value === undefined || (amount !== undefined && amount > 0)) return amount;
  throw new OptionsError(`--max-cost is "${value}"; it must be an amount of USD above 0, like 2.50.`);
}

export function integer(option: string, value: string | undefined, min: number, max: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (Number.isInteger(number) && number >= min && number <= max) return number;
  throw new OptionsError(`${option} is "${value}"; it must be an integer from ${min} to ${max}.`);
}

function oneOf<const Word extends string>(option: string, value: string, words: readonly Word[]): Word {
  const word = words.find((known) => known === value);
  if (word !== undefined) return word;
  throw new OptionsError(`${option} is "${value}"; it may be ${words.join(", ")}.`);
}

function parse(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        out: text,
        url: text,
        model: text,
        field: text,
        id: text,
        dimensions: text,
        "input-type": text,
        instruction: text,
        truncate: text,
        dtype: text,
        format: text,
        tier: text,
        "max-cost": text,
        concurrency: text,
        yes: flag,
        "dry-run": flag,
        "skip-bad": flag,
        restart: flag,
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new OptionsError(error instanceof Error ? error.message : "wrong arguments");
  }
}
