// What an account's webhooks can be told; those of batches are OpenAI's. `webhook.test` goes to any of them when its
// owner asks.

export const EVENT_TYPES = [
  "alert.triggered",
  "auto_top_up.failed",
  "batch.completed",
  "batch.failed",
  "batch.expired",
  "batch.cancelled",
] as const;
