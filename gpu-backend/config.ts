// Every setting of the backend, from flags and environment (a flag wins), parsed once. `queueSecondsMax` is the flag
// --queue-seconds-max and the variable QUEUE_SECONDS_MAX; so for each key below.

import { parseArgs } from "node:util";
import * as z from "zod";

import { must } from "../shared/assert.ts";
import { CPU_LINEARS, PRECISIONS } from "./compiler/compiled-model.ts";
import { parseForms } from "./choice/cuda-forms.ts";
import { CUDA_FOLDER } from "./cuda/libraries.ts";
import { processorsAllowed } from "./processors.ts";

/** A start that cannot go on for a reason the operator can mend: one sentence, printed without a stack. */
export class StartError extends Error {
  override name = "StartError";
}

const MiB = 1024 * 1024;
const integer = (least: number, most = Number.MAX_SAFE_INTEGER) => z.coerce.number().int().min(least).max(most);
const seconds = z.coerce.number().positive().finite();

function readForms(text: string, context: z.RefinementCtx) {
  const forms = text === "auto" ? text : parseForms(text);
  if (forms !== undefined) return forms;
  context.addIssue("it is auto, as-is, block32, dense, or two forms such as block32+dense@2048");
  return z.NEVER;
}

const configSchema = z.object({
  /** Folders of checkpoints, or `owner/name[@revision]` on the Hugging Face Hub: each is served by its own engine. */
  model: z.array(z.string().min(1)).min(1),
  /** Names that they are announced by, in their order; default: the hub's id, or one made from the folder's name. */
  modelId: z.array(z.string().min(1)).optional(),
  /** Where downloads and compiled files go. */
  data: z.string().min(1).default(".data"),
  hfEndpoint: z.url().default("https://huggingface.co"),
  /** For models that are not given to everyone. */
  hfToken: z.string().min(1).optional(),
  /** Serve what is on disk and ask nothing of the hub; on for 1, true, yes and on, as in the hub's own tools. */
  hfHubOffline: z
    .string()
    .default("")
    .transform((value) => /^(1|true|yes|on)$/i.test(value)),
  host: z.string().min(1).default("127.0.0.1"),
  /** 0: any free port. */
  port: integer(0, 65_535).default(8_190),
  backendSecret: z.string().min(16),
  /** Accepted as well while the secret is being rotated. */
  backendSecretPrevious: z.string().min(16).optional(),

  target: z.enum(["cpu", "cuda-bf16", "cuda-fp16"]).default("cpu"),
  precision: z.enum(PRECISIONS).default("exact"),
  /** Form of the linear layers on a CPU; auto: what a trial finds. */
  linears: z.enum(["auto", ...CPU_LINEARS]).default("auto"),
  /**
   * auto: what a trial on the card finds, once. Two forms: block32+dense@2048, the second one for runs of 2,048 and
   * more.
   */
  cudaWeights: z.string().default("as-is").transform(readForms),
  /** Where npm run gpu:install has put the CUDA provider. */
  cudaFolder: z.string().min(1).default(CUDA_FOLDER),
  /** Index of the card, as nvidia-smi counts; absent: the first that this process may see. */
  cudaDevice: integer(0, 255).optional(),
  /** Intra-op threads of each engine; default on a CPU: the processors, shared out among the models. */
  threads: integer(1, 256).optional(),
  tokenizerThreads: integer(1, 64).default(2),
  /** A text that takes a tokenizer process longer is refused. */
  tokenizeMsMax: integer(1).default(1_500),

  /** What several models may take together on a CPU; default: what the machine, or the control group, has. */
  memoryBytesMax: integer(1).optional(),
  /** Bodies, vectors and frames in memory at once; beyond it a call is refused. */
  bytesInFlightMax: integer(1).default(512 * MiB),
  textsMax: integer(1).default(2_048),
  /** Σ tokens of a call. */
  callTokensMax: integer(1).default(300_000),
  connectionsMax: integer(1).default(1_024),
  /** For a call that brings no x-deadline-ms, and the most that one may ask for. */
  deadlineMsDefault: integer(1).default(60_000),
  deadlineMsMax: integer(1).default(600_000),
  bodyMsMax: integer(1).default(30_000),

  /** Seconds of work ahead of a new interactive call beyond which it is refused. */
  queueSecondsMax: seconds.default(20),
  batchQueueSecondsMax: seconds.default(60),
  /** What one account may fill of either. */
  accountShareMax: z.coerce.number().positive().max(1).default(0.75),
  batchSecondsMax: seconds.default(0.25),
  batchTextsMax: integer(1).default(512),
  /** Waiting time after which the batch tier gets a turn of its own. */
  ageSecondsMax: seconds.default(5),
  warmUpSecondsMax: seconds.default(2),
  /** SIGTERM: calls in flight get this long to end. */
  drainMsMax: integer(0).default(30_000),
  /** An OpenTelemetry collector's base URL (OTLP over HTTP); absent: no traces. Its headers as `name=value,…`. */
  otelExporterOtlpEndpoint: z.url().optional(),
  otelExporterOtlpHeaders: z.string().min(1).optional(),
  logLevel: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
});

/** One `--model`, and the `--model-id` that was given with it. */
export interface ModelName {
  readonly model: string;
  readonly modelId: string | undefined;
}

type Parsed = z.infer<typeof configSchema>;
export type Config = Readonly<
  Omit<Parsed, "model" | "modelId"> & { models: readonly [ModelName, ...ModelName[]]; threads: number }
>;

const KEYS = Object.keys(configSchema.shape);
const words = (key: string, join: string): string => key.replaceAll(/[A-Z]/g, (letter) => join + letter.toLowerCase());
const flagOf = (key: string): string => words(key, "-");
const variableOf = (key: string): string => words(key, "_").toUpperCase();
/** A flag that may be repeated; its variable holds the values with commas between. */
const LISTS = new Set(["model", "modelId"]);
/** A secret on a command line is visible to every process of the machine. */
const VARIABLES_ONLY = new Set(["backendSecret", "backendSecretPrevious", "hfToken", "otelExporterOtlpHeaders"]);

/** Throws StartError that names the setting at fault. An empty variable counts as absent. */
export function readConfig(args: readonly string[], environment: Readonly<Record<string, string | undefined>>): Config {
  const flags = readFlags(args);
  const given: Record<string, unknown> = {};
  for (const key of KEYS) {
    const variable = environment[variableOf(key)];
    const value = flags[flagOf(key)] ?? (LISTS.has(key) && variable !== "" ? variable?.split(",") : variable);
    if (value !== undefined && value !== "") given[key] = value;
  }
  const parsed = configSchema.safeParse(given);
  if (!parsed.success) throw new StartError(sentenceOf(parsed.error, given));
  const onCpu = parsed.data.target === "cpu";
  if (!onCpu && parsed.data.linears !== "auto")
    throw new StartError(`--linears (or LINEARS) is for --target cpu, not ${parsed.data.target}.`);
  const { model, modelId, threads, ...rest } = parsed.data;
  if (modelId !== undefined && modelId.length !== model.length)
    throw new StartError(
      `--model-id (or MODEL_ID) names ${modelId.length} of ${model.length} models: give one for each --model, in their order, or none.`,
    );
  const [first, ...others] = model.map((name, index) => ({ model: name, modelId: modelId?.[index] }));
  return {
    ...rest,
    models: [must(first, "a model"), ...others],
    threads: threads ?? (onCpu ? Math.max(1, Math.floor(processorsAllowed() / model.length)) : 1),
  };
}

function readFlags(args: readonly string[]): Readonly<Record<string, unknown>> {
  const options = KEYS.filter((key) => !VARIABLES_ONLY.has(key)).map(
    (key) => [flagOf(key), { type: "string", multiple: LISTS.has(key) }] as const,
  );
  try {
    return parseArgs({ args: [...args], options: Object.fromEntries(options), strict: true }).values;
  } catch (error) {
    throw new StartError(error instanceof Error ? error.message : String(error));
  }
}

function sentenceOf(error: z.ZodError, given: Readonly<Record<string, unknown>>): string {
  const issue = error.issues[0];
  const key = String(issue?.path[0] ?? "");
  const name = VARIABLES_ONLY.has(key) ? variableOf(key) : `--${flagOf(key)} (or ${variableOf(key)})`;
  return key in given ? `${name} is not right: ${issue?.message ?? ""}` : `${name} is missing.`;
}
