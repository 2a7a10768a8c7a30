// The fields of the public API's answers that the pages read.

export interface Account {
  readonly id: string;
  readonly name: string;
  readonly status: "active" | "suspended";
  readonly created_at: number;
  readonly balance_nano_usd: number;
  readonly spendable_nano_usd: number;
  readonly held_nano_usd: number;
  readonly spent_this_month_nano_usd?: number;
  readonly limits: {
    readonly requests_per_minute: number;
    readonly tokens_per_minute: number;
    readonly monthly_nano_usd: number | null;
  };
}

export interface UsageResult {
  readonly model: string | null;
  readonly key_id: string | null;
  readonly requests: number;
  readonly input_tokens: number;
  readonly cached_tokens: number;
  readonly cost_nano_usd: number;
  readonly saved_nano_usd: number;
  readonly errors: { readonly "4xx": number; readonly "5xx": number };
  readonly latency_ms: { readonly p50: number | null; readonly p95: number | null; readonly p99: number | null };
}

export interface UsageBucket {
  /** Unix seconds. */
  readonly start_time: number;
  readonly end_time: number;
  readonly results: readonly UsageResult[];
}

export interface UsagePage {
  readonly data: readonly UsageBucket[];
  readonly next_page: string | null;
  readonly fresh_as_of: number;
}

export interface Transaction {
  readonly id: string;
  readonly at: number;
  readonly kind: string;
  readonly amount_nano_usd: number;
  readonly balance_after_nano_usd: number;
  readonly description: string;
}

/** A page of a list: `next_page` is null on the last one. */
export interface List<Item> {
  readonly data: readonly Item[];
  readonly next_page?: string | null;
  readonly has_more?: boolean;
}

export type CapReset = "day" | "week" | "month";

export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly prefix: string;
  readonly scopes: readonly string[];
  readonly models: readonly string[] | null;
  readonly expires_at: number | null;
  readonly cap_nano_usd: number | null;
  readonly cap_reset: CapReset | null;
  readonly requests_per_minute: number | null;
  readonly tokens_per_minute: number | null;
  readonly cache: "off" | "standard" | "eager";
  readonly created_at: number;
  readonly last_used_at: number | null;
  readonly last_refusal?: { readonly at: number; readonly code: string } | null;
}

/** Somebody who is signed in to the pages. */
export interface SignedIn {
  readonly id: string;
  readonly name: string;
  readonly created_at: number;
}

export interface CreatedKey extends ApiKey {
  /** Shown once. */
  readonly key: string;
}

export interface Batch {
  readonly id: string;
  readonly status: string;
  readonly endpoint: string;
  readonly created_at: number;
  readonly completed_at?: number | null;
  readonly output_file_id?: string | null;
  readonly error_file_id?: string | null;
  readonly errors?: { readonly data: readonly { readonly message: string; readonly line: number | null }[] } | null;
  readonly request_counts?: { readonly total: number; readonly completed: number; readonly failed: number } | null;
}

export interface Alert {
  readonly id: string;
  readonly kind: string;
  readonly threshold_nano_usd: number;
  readonly last_triggered_at: number | null;
}

export interface AlertList extends List<Alert> {
  readonly email?: "configured" | "not_configured";
}

export interface Webhook {
  readonly id: string;
  readonly url: string;
  /** null: all. */
  readonly events: readonly string[] | null;
  readonly status: "active" | "disabled";
  readonly disabled_reason: string | null;
  readonly last_attempt: { readonly at: number; readonly detail: string } | null;
}

export interface AutoTopUp {
  readonly has_card: boolean;
  readonly disabled_reason: string | null;
  readonly spent_this_month_nano_usd: number;
  readonly threshold_usd?: string;
  readonly threshold_nano_usd?: number;
  readonly target_usd?: string;
  readonly target_nano_usd?: number;
  readonly monthly_cap_usd?: string;
  readonly monthly_cap_nano_usd?: number;
}
