// Checks the whole input file before anything runs: every line must be a request to the batch's endpoint, for a model
// that exists and that the key may use, with a unique `custom_id`. Faults are listed with their lines.

import { resolveModel } from "../models/models.ts";
import type { CatalogModel } from "../../shared/catalog.ts";
import { ApiError } from "../../shared/errors.ts";
import { shown } from "../../shared/schemas/shown.ts";
import { parseBatchLine } from "./batch-line.ts";
import type { InputLine } from "./input-lines.ts";
import type { LineEndpoint } from "../endpoints/endpoint.ts";
import type { BatchFault, BatchOrder } from "../files/batch-types.ts";
import { BATCH_LIMITS } from "../files/batch-types.ts";

export interface Validated {
  readonly total: number;
  readonly faults: readonly BatchFault[];
  /** Set if all lines name the same model. */
  readonly model: string | undefined;
}

/** What the lines are checked against. */
export interface Terms {
  readonly order: Pick<BatchOrder, "endpoint" | "allowedModels">;
  readonly texts: Pick<LineEndpoint, "countTexts">;
  readonly models: readonly CatalogModel[];
  /** Whether a model has a backend, ready or not: a batch waits for a cold model, not for one that is never served. */
  readonly isServed: (modelId: string) => boolean;
}

/** Reads all lines, or as many as it takes to list `faultsMax` faults. */
export async function validateInput(lines: AsyncIterable<InputLine>, terms: Terms): Promise<Validated> {
  const check = new InputCheck(terms);
  for await (const line of lines) {
    check.add(line);
    if (check.isFull) break;
  }
  return check.end();
}

class InputCheck {
  readonly #terms: Terms;
  readonly #faults: BatchFault[] = [];
  readonly #lineOf = new Map<string, number>();
  readonly #resolved = new Map<string, string | BatchFault>();
  readonly #used = new Set<string>();
  #total = 0;
  #texts = 0;

  constructor(terms: Terms) {
    this.#terms = terms;
  }

  get isFull(): boolean {
    return (
      this.#faults.length >= BATCH_LIMITS.faultsMax ||
      this.#total > BATCH_LIMITS.linesMax ||
      this.#texts > BATCH_LIMITS.textsMax
    );
  }

  add(input: InputLine): void {
    this.#total += 1;
    const parsed = parseBatchLine(input, this.#terms.order.endpoint);
    if (parsed.kind === "fault") {
      this.#faults.push(parsed.fault);
      return;
    }
    const { customId, body } = parsed.line;
    const first = this.#lineOf.get(customId);
    if (first !== undefined) {
      const message = `The \`custom_id\` of this line is that of line ${first}: each must be unique in the file.`;
      this.#faults.push({ code: "duplicate_custom_id", line: input.line, message, param: "custom_id" });
    } else this.#lineOf.set(customId, input.line);
    this.#checkModel(body["model"], input.line);
    this.#texts += this.#terms.texts.countTexts(body);
  }

  end(): Validated {
    const whole = (code: string, message: string): void => {
      this.#faults.push({ code, line: null, message, param: "input_file_id" });
    };
    if (this.#total === 0) whole("empty_file", "The file has no lines.");
    if (this.#total > BATCH_LIMITS.linesMax) {
      whole("too_many_lines", `A batch takes at most ${BATCH_LIMITS.linesMax} lines: split the file.`);
    }
    if (this.#texts > BATCH_LIMITS.textsMax) {
      whole(
        "too_many_inputs",
        `The lines of a batch take at most ${BATCH_LIMITS.textsMax} texts in all: split the file.`,
      );
    }
    const [model] = this.#used;
    return { total: this.#total, faults: this.#faults, model: this.#used.size === 1 ? model : undefined };
  }

  #checkModel(name: unknown, line: number): void {
    if (typeof name !== "string") {
      const rule = "it must be the id of a model";
      const message =
        name === undefined ? `\`body.model\` is missing: ${rule}.` : `\`body.model\` is ${shown(name)}: ${rule}.`;
      this.#faults.push({ code: "missing_required_parameter", line, message, param: "body.model" });
      return;
    }
    let resolved = this.#resolved.get(name);
    if (resolved === undefined) {
      resolved = this.#resolve(name);
      this.#resolved.set(name, resolved);
    }
    if (typeof resolved === "string") this.#used.add(resolved);
    else this.#faults.push({ ...resolved, line });
  }

  /** The full id of the model called `name`, or what is wrong with it. */
  #resolve(name: string): string | BatchFault {
    const { order, models, isServed } = this.#terms;
    const fault = (code: string, message: string): BatchFault => ({ code, line: null, message, param: "body.model" });
    try {
      const { model } = resolveModel(name, models);
      if (order.allowedModels !== undefined && !order.allowedModels.includes(model.id)) {
        return fault("model_not_allowed", "The key may not use this model.");
      }
      // A backend may be up before the operator offers the model: nothing is sold until then.
      if (!isServed(model.id) || model.operatorStatus !== "live")
        return fault("model_not_ready", "This model is not served yet: see GET /v1/models.");
      return model.id;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return fault(error.fault.code, error.fault.message);
    }
  }
}
