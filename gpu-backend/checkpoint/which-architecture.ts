// Which row of the table of architectures a config.json is of, and what it may say then.

import { ARCHITECTURES } from "../compiler/architectures/table.ts";
import type { Architecture } from "../compiler/architectures/architecture.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { COMMON_CONFIG, type Fields, only } from "./meaning.ts";

/** Throws CheckpointError, with the architecture's name first, when it is none of the table's. */
export function findArchitecture(path: string, json: Readonly<Record<string, unknown>>): Architecture {
  const { model_type: modelType, architectures } = json;
  const found = ARCHITECTURES.find((one) => one.modelType === modelType);
  const classes = Array.isArray(architectures) ? architectures.map(String) : [];
  if (found === undefined) {
    const said = [...classes, `model_type ${JSON.stringify(modelType)}`].join(", ");
    throw new CheckpointError(
      `${path}: ${said} is not supported; ${listed(ARCHITECTURES.map((one) => one.modelType))} are`,
    );
  }
  const supported = classesOf(found);
  const other = classes.find((name) => !supported.includes(name));
  if (other === undefined) return found;
  throw new CheckpointError(
    `${path}: ${other} (architectures, model_type ${found.modelType}) is not supported; ${listed(supported)} is`,
  );
}

/** All fields that config.json may have. */
export function fieldsOf(architecture: Architecture): Fields {
  const { modelType, fields } = architecture;
  const classes = classesOf(architecture);
  return {
    ...COMMON_CONFIG,
    model_type: only(modelType, modelType),
    architectures: {
      kind: "only",
      accepts: (value) => Array.isArray(value) && value.every((name) => classes.includes(String(name))),
      supported: listed(classes),
    },
    ...fields,
  };
}

/** Of embedding models and of rerankers, each once. */
function classesOf({ classes, rerankers = {} }: Architecture): readonly string[] {
  return [...new Set([...classes, ...Object.keys(rerankers)])];
}

function listed(names: readonly string[]): string {
  return names.join(" or ");
}
