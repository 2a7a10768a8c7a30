// Paying by card, where a deployment takes cards.

import * as z from "zod";
import type { Answer, Operation } from "../../openapi/operation.ts";
import { BODY_ERRORS, MAKING_ERRORS } from "../../openapi/operation.ts";
import { ONCE } from "../../openapi/parameters.ts";
import { amountNanoUsd } from "../answers.ts";
import { autoTopUpSchema, topUpSchema } from "../top-ups.ts";

const tag = "Account";

const usd = z.string().optional();
const nano = amountNanoUsd.optional();
const state: Answer = {
  description: "Whether credit is bought when the balance falls, and within which bounds.",
  name: "AutoTopUp",
  schema: z.object({
    object: z.literal("auto_top_up"),
    enabled: z.boolean(),
    has_card: z.boolean(),
    disabled_reason: z.nullable(z.string()),
    pending: z.boolean(),
    spent_this_month_nano_usd: amountNanoUsd,
    threshold_usd: usd,
    threshold_nano_usd: nano,
    target_usd: usd,
    target_nano_usd: nano,
    monthly_cap_usd: usd,
    monthly_cap_nano_usd: nano,
  }),
  example: {
    object: "auto_top_up",
    enabled: false,
    has_card: false,
    disabled_reason: null,
    pending: false,
    spent_this_month_nano_usd: 0,
  },
};

export const TOP_UPS: readonly Operation[] = [
  {
    method: "post",
    path: "/v1/top-ups",
    id: "createTopUp",
    tag,
    summary: "A page to buy credit on",
    description: "The credit is there once the payment is confirmed.",
    auth: "key",
    body: { name: "TopUpRequest", schema: topUpSchema, example: { amount_usd: 20 } },
    answers: {
      201: {
        description: "Pay at `url`.",
        name: "TopUp",
        schema: z.object({
          id: z.string(),
          object: z.literal("top_up"),
          url: z.string(),
          amount_usd: z.string(),
          amount_nano_usd: amountNanoUsd,
        }),
        example: {
          id: "cs_123",
          object: "top_up",
          url: "https://checkout.example.com/cs_123",
          amount_usd: "20",
          amount_nano_usd: 20_000_000_000,
        },
      },
    },
    parameters: [ONCE],
    errors: [...BODY_ERRORS, ...MAKING_ERRORS, "payments_not_offered", "payment_unavailable"],
  },
  {
    method: "get",
    path: "/v1/auto-top-up",
    id: "getAutoTopUp",
    tag,
    summary: "The automatic top-up",
    auth: "key",
    answers: { 200: state },
    errors: [],
  },
  {
    method: "put",
    path: "/v1/auto-top-up",
    id: "putAutoTopUp",
    tag,
    summary: "Buy credit when the balance falls",
    description: "By the card of the last top-up.",
    auth: "key",
    body: {
      name: "AutoTopUpRequest",
      schema: autoTopUpSchema,
      example: { threshold_usd: 5, target_usd: 20, monthly_cap_usd: 100 },
    },
    answers: { 200: state },
    errors: [...BODY_ERRORS, "payments_not_offered"],
  },
  {
    method: "delete",
    path: "/v1/auto-top-up",
    id: "deleteAutoTopUp",
    tag,
    summary: "Buy no credit automatically",
    auth: "key",
    answers: { 200: state },
    errors: [],
  },
];
