// What an account's webhooks can be told. `webhook.test` goes to any of them when its owner asks.

export const EVENT_TYPES = ["alert.triggered", "batch.completed", "batch.failed"] as const;
export type EventType = (typeof EVENT_TYPES)[number];
