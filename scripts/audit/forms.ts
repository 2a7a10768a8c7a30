// What the answers of each form say of their charge, and how its errors name their code. Pure.

import * as z from "zod";
import type { FormName, Told } from "./history.ts";
import type { NanoUsd } from "../../shared/money.ts";
import { parseUsd } from "../../shared/money.ts";

interface Form {
  /** What a body with 200 says; undefined: not what its form has to say. */
  readonly told: (json: unknown) => Told | undefined;
  /** Whether `x-cost-usd` stands in its head. */
  readonly hasHead: boolean;
}

const cost = z.number().transform((usd): NanoUsd | undefined => parseUsd(usd));

const ownSchema = z
  .object({
    usage: z.object({
      prompt_tokens: z.int(),
      prompt_tokens_details: z.object({ cached_tokens: z.int() }),
      cost,
    }),
  })
  .transform(({ usage }): Told => ({
    tokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details.cached_tokens,
    costNanoUsd: usage.cost,
  }));
const tokens = (count: number): Told => ({ tokens: count });
const ollamaSchema = z.union([
  z.object({ prompt_eval_count: z.int() }).transform((body) => tokens(body.prompt_eval_count)),
  z.strictObject({ embedding: z.array(z.number()) }).transform((): Told => ({})),
]);
const cohereSchema = z
  .object({ meta: z.object({ billed_units: z.object({ input_tokens: z.int() }) }) })
  .transform(({ meta }) => tokens(meta.billed_units.input_tokens));
const geminiSchema = z
  .object({ usageMetadata: z.object({ promptTokenCount: z.int() }) })
  .transform(({ usageMetadata }) => tokens(usageMetadata.promptTokenCount));
const teiSchema = z.array(z.unknown()).transform((): Told => ({}));
const mcpSchema = z
  .object({
    result: z.object({ structuredContent: z.object({ usage: z.object({ prompt_tokens: z.int(), cost }) }) }),
  })
  .transform(({ result }): Told => ({
    tokens: result.structuredContent.usage.prompt_tokens,
    costNanoUsd: result.structuredContent.usage.cost,
  }));

const saying = (schema: z.ZodType<Told>) => (json: unknown) => schema.safeParse(json).data;

export const FORMS: Readonly<Record<FormName, Form>> = {
  own: { told: saying(ownSchema), hasHead: true },
  ollama: { told: saying(ollamaSchema), hasHead: true },
  tei: { told: saying(teiSchema), hasHead: true },
  cohere: { told: saying(cohereSchema), hasHead: true },
  gemini: { told: saying(geminiSchema), hasHead: true },
  mcp: { told: saying(mcpSchema), hasHead: false },
};

const codeSchema = z.union([
  z
    .object({ error: z.object({ details: z.array(z.object({ reason: z.string() })).min(1) }) })
    .transform(({ error }) => error.details[0]?.reason ?? ""),
  z
    .object({ error: z.object({ message: z.string(), code: z.nullable(z.string()) }) })
    .transform(({ error }) => error.code ?? ""),
  z.object({ error_type: z.string() }).transform((body) => body.error_type),
  z.object({ code: z.string() }).transform((body) => body.code),
]);

/** The code of an error in the form of any; undefined: it is none of the API's. */
export function codeOf(json: unknown): string | undefined {
  return codeSchema.safeParse(json).data;
}

const toolErrorSchema = z.union([
  z
    .object({ result: z.object({ isError: z.literal(true), content: z.array(z.object({ text: z.string() })).min(1) }) })
    .transform(({ result }) => result.content[0]?.text ?? ""),
  z.object({ error: z.object({ code: z.number(), message: z.string() }) }).transform(({ error }) => error.message),
]);

/** What a tool of MCP says where it failed, which it does with 200; undefined: it did not fail. */
export function toolError(json: unknown): string | undefined {
  return toolErrorSchema.safeParse(json).data;
}

/** JSON, also as the one event of a stream of events, which is how MCP may answer. */
export function parsed(text: string): unknown {
  const [, event] = /^event: message\ndata: (.*)$/m.exec(text.slice(0, text.indexOf("{") + 1)) ?? [];
  try {
    return JSON.parse(event === undefined ? text : text.slice(text.indexOf("{")));
  } catch {
    return undefined;
  }
}
