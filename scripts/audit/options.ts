// The command line of `npm run audit`, checked before anything is sent.

import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { SURFACES } from "./surfaces.ts";
import type { Surface } from "./surfaces.ts";
import { OptionsError, integer, maxCostOf, urlOf } from "../embed/options.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { nanoUsd } from "../../shared/money.ts";

const DEFAULT_MINUTES = 2;
const MINUTES_MAX = 24 * 60;
const DEFAULT_CONCURRENCY = 16;
const CONCURRENCY_MAX = 256;
const DEFAULT_MAX_COST = nanoUsd(20_000_000);
const SEED_MAX = 2 ** 32;

export const USAGE = `npm run audit -- --url URL --key KEY [options]
  --url            the API
  --key            a key of an account that nobody else spends from meanwhile (else GIGAROUTER_API_KEY)
  --model          an embedding model of GET /v1/models (default: the only one that is served)
  --minutes        of traffic (default ${DEFAULT_MINUTES})
  --concurrency    calls at a time (default ${DEFAULT_CONCURRENCY})
  --max-cost       USD that it may spend, at most (default 0.02)
  --only           what it drives, of ${SURFACES.join(", ")} (default: all that is served)
  --seed           plans the same calls again (default: a random one, which is said)`;

export interface Options {
  readonly url: string;
  readonly key: string;
  readonly model: string | undefined;
  readonly minutes: number;
  readonly concurrency: number;
  readonly maxCost: NanoUsd;
  readonly surfaces: readonly Surface[];
  readonly seed: number;
}

/** Throws OptionsError. `undefined`: only the usage was asked for. */
export function readOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Options | undefined {
  const values = parse(args);
  if (values.help === true) return undefined;
  const { url, key = environment["GIGAROUTER_API_KEY"] ?? "" } = values;
  if (url === undefined) throw new OptionsError("--url is missing.");
  if (key === "") throw new OptionsError("--key is missing, and GIGAROUTER_API_KEY from the environment.");
  return {
    url: urlOf(url),
    key,
    model: values.model,
    minutes: minutesOf(values.minutes),
    concurrency: integer("--concurrency", values.concurrency, 1, CONCURRENCY_MAX) ?? DEFAULT_CONCURRENCY,
    maxCost: maxCostOf(values["max-cost"]) ?? DEFAULT_MAX_COST,
    surfaces: surfacesOf(values.only),
    seed: integer("--seed", values.seed, 0, SEED_MAX - 1) ?? randomInt(SEED_MAX),
  };
}

function surfacesOf(value: string | undefined): readonly Surface[] {
  if (value === undefined) return SURFACES;
  const names = value.split(",").map((name) => name.trim());
  const wrong = names.find((name) => !SURFACES.some((surface) => surface === name));
  if (wrong !== undefined) throw new OptionsError(`--only has "${wrong}"; there are ${SURFACES.join(", ")}.`);
  return SURFACES.filter((surface) => names.includes(surface));
}

function minutesOf(value: string | undefined): number {
  const minutes = Number(value ?? DEFAULT_MINUTES);
  if (minutes > 0 && minutes <= MINUTES_MAX) return minutes;
  throw new OptionsError(`--minutes is "${value}"; it must be above 0 and at most ${MINUTES_MAX}.`);
}

function parse(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        url: text,
        key: text,
        model: text,
        minutes: text,
        concurrency: text,
        "max-cost": text,
        only: text,
        seed: text,
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new OptionsError(error instanceof Error ? error.message : "wrong arguments");
  }
}
