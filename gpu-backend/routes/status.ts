// GET /health (the process lives), /ready (it serves, and what), /info (how it serves), /metrics.

import { unreachable } from "../../shared/assert.ts";
import { REQUEST_FRAME_BYTES_MAX } from "../../shared/frame.ts";
import type { BackendReady } from "../../shared/wire.ts";
import type { CudaWeights } from "../compiler/compiled-model.ts";
import type { Config } from "../config.ts";
import type { Metrics } from "../metrics.ts";
import { type ModelFacts, POOLING_NAMES, type Service } from "../service.ts";
import { type Call, plainFault } from "./call.ts";

export type Status = BackendReady["status"];

/** Seconds after which asking again makes sense while a model loads. */
const WARMING_RETRY_S = 2;
/** Held by test/gpu-backend/engine/same-bits.test.ts. */
const SAME_BITS =
  "on one class of processor, a text's vector is the same bits in any batch, at any place, on any number of threads, after any restart";
const INTEGER_KERNEL = "MatMulIntegerToFloat, two int8 digits a value";

export function health(call: Call): void {
  call.sendJson(200, { status: "ok" });
}

/** Until the model is compiled its revision is unknown: then the refusal alone. `models`: all that are served here. */
export function ready(
  call: Call,
  status: Status,
  { facts, service }: { readonly facts?: ModelFacts; readonly service?: Service },
  models: readonly string[],
): void {
  if (facts === undefined) {
    call.sendFault(plainFault("model_not_ready", "The model is being prepared.", WARMING_RETRY_S));
    return;
  }
  const answer: BackendReady = {
    ...facts,
    ...rerankerOf(service),
    models: [...models],
    status,
    load: { queueSeconds: service?.runner.queueSeconds() ?? 0 },
    tokensPerSecond: service?.throughput.tokensPerSecond(performance.now()) ?? null,
  };
  call.sendJson(status === "ready" ? 200 : 503, answer);
}

/** What a reranker takes, which its tokenizer knows. */
function rerankerOf(service: Service | undefined): Pick<BackendReady, "reranker"> {
  const pairs = service?.tokenizer.pairs;
  if (pairs === undefined) return {};
  return { reranker: { instruction: service?.model.config.reranker?.prompt?.instruction ?? null, ...pairs } };
}

export function info(call: Call, service: Service, config: Config): void {
  const { model, choice, cudaChoice, modelId, engine, limits } = service;
  const { largeRuns } = model;
  call.sendJson(200, {
    model: modelId,
    revision: model.revision,
    checkpoint: {
      layout: model.layout,
      architecture: model.config.architecture,
      attention: model.config.causal ? "causal" : "bidirectional",
      layers: model.config.layers,
      dimensions: model.config.dimensions,
      hiddenSize: model.config.hiddenSize,
      vocabularySize: model.config.vocabSize,
      contextTokens: model.config.maxTokens,
      endTokenId: model.config.endTokenId,
    },
    kind: model.config.reranker === undefined ? "embedding" : "reranker",
    pooling: `${POOLING_NAMES[model.config.pooling]}, ${model.config.reranker === undefined ? "L2-normalised, float16" : "one logit's sigmoid, float32"}`,
    sameBits: model.target === "cpu" ? SAME_BITS : null,
    compile: {
      target: model.target,
      precision: model.precision,
      cudaWeights: model.cudaWeights,
      largeRuns:
        largeRuns === undefined ? null : { cudaWeights: largeRuns.cudaWeights, tokensMin: largeRuns.tokensMin },
    },
    kernels: kernelsOf(service),
    linears: choice ?? null,
    cudaWeights: cudaChoice ?? null,
    engine: { state: engine.state, pid: engine.pid ?? null, restarts: engine.restarts, threads: config.threads },
    limits: {
      queueSecondsMax: limits.queueSecondsMax,
      batchQueueSecondsMax: limits.batchQueueSecondsMax,
      accountShareMax: limits.accountShareMax,
      batchTokensMax: limits.batchTokensMax,
      paddedTokensMax: limits.paddedTokensMax,
      batchTextsMax: limits.batchTextsMax,
      batchSecondsMax: limits.batchSecondsMax,
      ageSecondsMax: limits.ageSecondsMax,
      bodyBytesMax: REQUEST_FRAME_BYTES_MAX,
      textsMax: config.textsMax,
      callTokensMax: config.callTokensMax,
      deadlineMsMax: config.deadlineMsMax,
      tokenizeMsMax: config.tokenizeMsMax,
    },
  });
}

/** Which of onnxruntime's ways of multiplying weights the compiled graph asks for. */
function kernelsOf({ model }: Service): string {
  const dense = /^(bf16|f16|f32|fp16|fp32|bfloat16|float16|float32)$/i.test(model.layout);
  if (model.target === "cpu") {
    const float = dense ? "MatMul, float32" : "MatMulNBits, float32 activations";
    switch (model.linears) {
      case "float32":
        return float;
      case "int8-pairs":
        return INTEGER_KERNEL;
      case "int8-pairs, down_proj float32":
        return `${INTEGER_KERNEL}; down_proj ${float}`;
      default:
        return unreachable(model.linears);
    }
  }
  const small = cudaKernel(dense, model.cudaWeights);
  if (model.largeRuns === undefined) return small;
  const { cudaWeights, tokensMin } = model.largeRuns;
  return `${small}; from ${tokensMin} tokens a run ${cudaKernel(dense, cudaWeights)}`;
}

function cudaKernel(dense: boolean, cudaWeights: CudaWeights): string {
  if (dense || cudaWeights === "dense") return "MatMul, 16-bit";
  return cudaWeights === "block32" ? "MatMulNBits, fpA-intB gemm, blocks of 32" : "MatMulNBits, dequantise and cuBLAS";
}

export async function metrics(call: Call, registry: Metrics): Promise<void> {
  call.sendText(await registry.registry.metrics(), registry.registry.contentType);
}
