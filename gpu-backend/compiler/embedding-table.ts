// The embedding of tokens, and of their positions where those are learned. The table of tokens: 16 bits a value in the weights file (mapped into memory, never copied), widened after the
// look-up. Eight bits would do (5e-5 of cosine), four are too wrong (2e-2).

import type { CheckpointFiles } from "../checkpoint/checkpoint-files.ts";
import type { ModelConfig } from "../checkpoint/read-config.ts";
import { learnedOf } from "./architectures/tensors.ts";
import { type ElementType, encodeFloats } from "./element-type.ts";
import type { GraphPlan } from "./graph-plan.ts";
import { foldOf, type GraphSource } from "./graph-source.ts";
import { addNorm } from "./norm-nodes.ts";
import { DATA_TYPE } from "./onnx-proto.ts";

const FLOAT16_MAX = 65_504;
/** Values converted at a time: 16 MB of float32. */
const PIECE_VALUES = 1 << 22;

/** Adds the embedding of `input_ids`, [tokens, hidden] in the plan's element type. Throws CheckpointError. */
export async function addEmbedding(source: GraphSource): Promise<string> {
  const { graph, config, plan } = source;
  let embedded = await addLookUp(source);
  if (config.embeddingScale !== 1) {
    const scale = encodeFloats(Float32Array.of(config.embeddingScale), plan.elementType);
    embedded = graph.node("Mul", "embedded.scaled", [
      embedded,
      graph.constant("embedding_scale", plan.elementType, [1], scale),
    ]);
  }
  const learned = learnedOf(config);
  return learned === undefined ? embedded : addLearned(source, embedded, learned);
}

/**
 * Adds the rows of the tables of positions and token types, and norms the sum. Every token has the first type, but in a pair,
 * whose second part may have the second one.
 */
function addLearned(
  source: GraphSource,
  embedded: string,
  { positions, types, norm }: NonNullable<ReturnType<typeof learnedOf>>,
): string {
  const { graph, files, config, plan } = source;
  const first = config.positions.kind === "learned" ? config.positions.first : 0;
  const rows = files.readFloatRows(positions.name, positions.shape, first, first + config.maxTokens);
  const withTypes = hasTokenTypes(config);
  const type = files.readFloatRows(types.name, types.shape, 0, withTypes ? TOKEN_TYPES : 1);
  const sums = withTypes ? rows : rows.map((value, index) => value + (type[index % config.hiddenSize] ?? 0));
  const look = (name: string, values: Float32Array, output: string, input: string): string => {
    const dims = [values.length / config.hiddenSize, config.hiddenSize];
    const table = graph.constant(name, plan.elementType, dims, encodeFloats(values, plan.elementType));
    return graph.node("Gather", output, [table, input]);
  };
  const typed = withTypes
    ? graph.node("Add", "embedded.typed", [embedded, look(types.name, type, "types", "token_types")])
    : embedded;
  const own = look(positions.name, sums, "positions", "position_ids");
  return addNorm(source, "embedded.normed", graph.node("Add", "embedded.placed", [typed, own]), norm);
}

/** A pair's parts. */
const TOKEN_TYPES = 2;

/** Whether a token's type is told apart. */
export function hasTokenTypes({ reranker, positions }: Pick<ModelConfig, "reranker" | "positions">): boolean {
  return reranker !== undefined && positions.kind === "learned" && positions.types >= TOKEN_TYPES;
}

/** Adds the look-up of `input_ids`; gives [tokens, hidden] in the plan's element type. */
async function addLookUp(source: GraphSource): Promise<string> {
  const { graph, files, config, plan } = source;
  const fold = foldOf(source);
  const table = files.tableName;
  const stored = await storedType(files, config, plan);
  graph.weights.begin();
  for await (const rows of pieces(files, config)) {
    if (fold !== 1) for (let index = 0; index < rows.length; index += 1) rows[index] = (rows[index] ?? 0) * fold;
    graph.weights.write(encodeFloats(rows, stored));
  }
  graph.placed(table, stored, [config.vocabSize, config.hiddenSize], graph.weights.end());
  const rows = graph.node("Gather", "embedded.stored", [table, "input_ids"]);
  if (stored === plan.elementType) return rows;
  return graph.node("Cast", "embedded", [rows], { attributes: { to: { int: DATA_TYPE[plan.elementType] } } });
}

/**
 * float16 for a float32 graph, unless a value does not fit; otherwise the graph's own type. A reranker's float32 stays: rounded,
 * its scores were up to 3e-5 off.
 */
async function storedType(files: CheckpointFiles, config: ModelConfig, plan: GraphPlan): Promise<ElementType> {
  if (plan.elementType !== "float32") return plan.elementType;
  if (config.reranker !== undefined && files.info(files.tableName).dtype === "F32") return "float32";
  if (files.info(files.tableName).dtype === "F16") return "float16";
  for await (const rows of pieces(files, config)) {
    for (let index = 0; index < rows.length; index += 1) if (Math.abs(rows[index] ?? 0) > FLOAT16_MAX) return "float32";
  }
  return "float16";
}

/** The table in pieces of whole rows, float32; lets other work in between. */
async function* pieces(files: CheckpointFiles, config: ModelConfig): AsyncGenerator<Float32Array<ArrayBuffer>> {
  const rowsAPiece = Math.max(1, Math.floor(PIECE_VALUES / config.hiddenSize));
  for (let start = 0; start < config.vocabSize; start += rowsAPiece) {
    const end = Math.min(config.vocabSize, start + rowsAPiece);
    yield files.readFloatRows(files.tableName, [config.vocabSize, config.hiddenSize], start, end);
    await new Promise(setImmediate);
  }
}
