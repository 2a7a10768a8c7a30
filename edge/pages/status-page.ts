// GET /status: GET /status.json for people, with a mark for each of the last 90 days.

import { html } from "hono/html";
import type { Html, Page } from "./layout.ts";

/** `misconfigured`: the backends run but refuse the edge's secret, or the edge lacks a setting. */
export type ModelStatus = "operational" | "degraded" | "warming" | "misconfigured" | "down";

export interface ServiceStatus {
  readonly status: ModelStatus;
  /** Unix seconds. */
  readonly at: number;
  readonly models: readonly {
    readonly id: string;
    readonly status: ModelStatus;
    readonly backends: { readonly ready: number; readonly configured: number };
  }[];
  /** Null: this deployment has no canary, or it has not called yet. */
  readonly canary: {
    readonly status: "served" | "failing" | "silent";
    readonly at: number;
    readonly latency_ms: number;
    readonly reason: string | null;
    /** Oldest first, at most 90. */
    readonly history: readonly { readonly day: string; readonly succeeded: number; readonly failed: number }[];
  } | null;
}

const WORDS: Readonly<Record<ModelStatus, string>> = {
  operational: "All is well",
  degraded: "Some calls may fail or be slow",
  warming: "A model is being prepared",
  misconfigured: "Calls fail: one of our settings is wrong",
  down: "Calls fail",
};
/** The share of served calls from which on a day is marked as good. */
const WELL_SHARE = 0.999;
const POOR_SHARE = 0.99;

export function statusPage({ status, at, models, canary }: ServiceStatus): Page {
  return {
    title: "Status",
    description: "How the service is now, and how it was in the last 90 days.",
    section: "docs",
    body: html`<h1>${WORDS[status]}</h1>
      <p class="muted">At ${utc(at)}. The same for programs: <a href="/status.json">/status.json</a>.</p>
      <section aria-labelledby="models">
        <h2 id="models">Models</h2>
        <ul class="model-list">
          ${models.map(
            ({ id, status: own, backends }) =>
              html`<li>
                <code>${id}</code> ${own}
                <span class="muted">${backends.ready} of ${backends.configured} backends ready</span>
              </li>`,
          )}
        </ul>
      </section>
      ${canary === null ? "" : canarySection(canary)}`,
  };
}

function canarySection({
  status,
  at,
  latency_ms: latencyMs,
  reason,
  history,
}: NonNullable<ServiceStatus["canary"]>): Html {
  const last = reason === null ? `served in ${latencyMs} ms` : `failed (${reason})`;
  const [succeeded, failed] = [sum(history.map((day) => day.succeeded)), sum(history.map((day) => day.failed))];
  const share = succeeded + failed === 0 ? 0 : succeeded / (succeeded + failed);
  return html`<section aria-labelledby="canary">
    <h2 id="canary">An embedding a minute</h2>
    <p>
      Made through this API as a customer makes it. The last one, at ${utc(at)}: ${last}.
      ${status === "silent" ? "It has not called since." : ""} ${percent(share)} of ${succeeded + failed} were served in
      ${history.length} days.
    </p>
    <ol class="days">
      ${history.map(
        (day) =>
          html`<li class="${markOf(day)}" title="${words(day)}">
            <span class="visually-hidden">${words(day)}</span>
          </li>`,
      )}
    </ol>
  </section>`;
}

interface Day {
  readonly day: string;
  readonly succeeded: number;
  readonly failed: number;
}

function markOf({ succeeded, failed }: Day): "well" | "poor" | "bad" {
  const share = succeeded / Math.max(1, succeeded + failed);
  if (share >= WELL_SHARE) return "well";
  return share >= POOR_SHARE ? "poor" : "bad";
}

function words({ day, succeeded, failed }: Day): string {
  return `${day}: ${succeeded} of ${succeeded + failed} served`;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const percent = (share: number): string => `${(Math.floor(share * 10_000) / 100).toFixed(2)} %`;
const utc = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC";
