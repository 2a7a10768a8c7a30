// The types of events that an account's webhooks can subscribe to; those of batches are OpenAI's. `webhook.test` is
// sent to any webhook when its owner asks for it.

export const EVENT_TYPES = [
  "alert.triggered",
  "auto_top_up.failed",
  "batch.completed",
  "batch.failed",
  "batch.expired",
  "batch.cancelled",
] as const;

export type EventType = (typeof EVENT_TYPES)[number] | "webhook.test";
