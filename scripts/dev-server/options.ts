// The command line of `npm start`, checked before anything is started.

import { statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DEMO_MODEL_ID } from "../../shared/catalog.ts";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DEMO_MODEL_DIR = resolve(ROOT, "gpu-backend/demo-model");
const DEFAULT_PORT = 8787;
const HUB_ID = /^[\w.-]+\/[\w.-]+(@[\w.-]+)?$/;

export const USAGE = `npm start -- [--port N] [--data DIR] [--model DIR-OR-HUB-ID]… [--target cuda-fp16]
  --port   the edge's port on 127.0.0.1 (default ${DEFAULT_PORT}; 0 takes a free one)
  --data   where state lives: ledger, cache, secrets, compiled models (default .data)
  --model  a checkpoint's folder, or owner/name[@revision] on the Hugging Face Hub (default: the embedded demo);
           repeated: several in one backend (docs/operating.md)
  --target what computes: cpu (default), or cuda-fp16 on an NVIDIA card (docs/gpu.md)`;

export interface DevModel {
  /** A folder, or a hub id that the backend downloads. */
  readonly model: string;
  /** The id under which it is served. */
  readonly modelId: string;
}

export interface DevOptions {
  readonly port: number;
  readonly dataDir: string;
  readonly models: readonly [DevModel, ...DevModel[]];
  /** What computes, as the backend names it; absent: its own default. */
  readonly target?: string;
}

/** A fault of the command line or the machine: shown as one sentence, exit code 1. */
export class StartError extends Error {
  override name = "StartError";
}

/** Throws StartError. `undefined`: only the usage was asked for. */
export function readOptions(args: readonly string[]): DevOptions | undefined {
  const values = parse(args);
  if (values.help === true) return undefined;
  const port = values.port === undefined ? DEFAULT_PORT : Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new StartError(`--port must be a number from 0 to 65535, not "${values.port}".`);
  }
  const dataDir = resolve(ROOT, values.data ?? ".data");
  const [first = DEMO_MODEL_DIR, ...others] = values.model ?? [];
  const models = [readModel(first), ...others.map(readModel)] as const;
  return { port, dataDir, models, ...(values.target !== undefined && { target: values.target }) };
}

function readModel(model: string): DevModel {
  const folder = resolve(model);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) {
    return { model: folder, modelId: folder === DEMO_MODEL_DIR ? DEMO_MODEL_ID : `local/${basename(folder)}` };
  }
  if (HUB_ID.test(model)) return { model, modelId: model.replace(/@.*/, "") };
  throw new StartError(
    `--model must be a checkpoint's folder or owner/name on the Hugging Face Hub; there is no folder "${model}".`,
  );
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        port: { type: "string" },
        data: { type: "string" },
        model: { type: "string", multiple: true },
        target: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new StartError(`${error instanceof Error ? error.message : "wrong arguments"}\n${USAGE}`);
  }
}
