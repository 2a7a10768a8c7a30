// What the wire takes of a score's call and of a backend that serves a reranker.

import { expect, test } from "vitest";
import { parseRevision } from "../../shared/ids.ts";
import {
  backendReadySchema,
  type Reranker,
  type ScoreAnswer,
  scoreAnswerSchema,
  type ScoreRequest,
  scoreRequestSchema,
} from "../../shared/wire.ts";

const revision = parseRevision("0123456789abcdef0123456789abcdef") ?? expect.unreachable();

const request: ScoreRequest = {
  version: 1,
  model: "owner/reranker",
  revision: null,
  account: "a",
  tier: "interactive",
  truncate: "end",
  instruction: null,
  query: "",
  documents: ["", "a document"],
};

test("a score's call has a query and documents, empty ones too; only the end of a document can be cut", () => {
  expect(scoreRequestSchema.parse(request)).toEqual(request);
  expect(scoreRequestSchema.parse({ ...request, truncate: "none", instruction: "Judge." }).instruction).toBe("Judge.");
  for (const wrong of [{ truncate: "start" }, { query: null }, { documents: [7] }, { instruction: undefined }])
    expect(scoreRequestSchema.safeParse({ ...request, ...wrong }).success).toBe(false);
});

test("a score's answer has no dimensions and counts each pair", () => {
  const answer: ScoreAnswer = {
    version: 1,
    revision,
    tokens: [70, 74],
    truncated: [false, true],
    load: { queueSeconds: 0 },
    timings: { tokenizeMs: 1, queueMs: 2, runMs: 3 },
  };
  expect(scoreAnswerSchema.parse(answer)).toEqual(answer);
  expect(scoreAnswerSchema.parse({ ...answer, dimensions: 1 })).toEqual(answer);
  expect(scoreAnswerSchema.safeParse({ ...answer, tokens: [70.5, 74] }).success).toBe(false);
});

test("a backend that does not say its kind is an older one, which serves an embedding model", () => {
  const older = {
    status: "ready",
    model: "owner/model",
    revision,
    dimensions: 256,
    contextTokens: 512,
    vocabularySize: 1_000,
    endTokenId: 1,
    pooling: "last_token",
    load: { queueSeconds: 0 },
    tokensPerSecond: null,
  };
  expect(backendReadySchema.parse(older).kind).toBeUndefined();
  const reranker: Reranker = { instruction: null, templateTokens: 3, queryTokensMax: 254 };
  const newer = { ...older, kind: "reranker", dimensions: 1, reranker };
  expect(backendReadySchema.parse(newer)).toMatchObject({ kind: "reranker", reranker });
  expect(backendReadySchema.safeParse({ ...newer, reranker: { ...reranker, queryTokensMax: 0 } }).success).toBe(false);
  expect(backendReadySchema.safeParse({ ...newer, kind: "chat" }).success).toBe(false);
});
