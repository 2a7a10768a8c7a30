// The terms of a key as a form, and back as the API's fields.

import { field } from "./dialog.tsx";
import type { Child } from "./dom.ts";
import { h } from "./dom.ts";
import type { ApiKey } from "./types.ts";
import { nanoOf } from "./usd-input.ts";

const SCOPES: readonly (readonly [scope: string, label: string])[] = [
  ["embeddings", "embeddings"],
  ["rerank", "rerank"],
  ["batches", "batches"],
  ["usage:read", "read usage"],
  ["keys:write", "manage keys"],
  ["account:write", "manage account"],
];
const CAP_RESETS = [
  ["", "never"],
  ["day", "every day"],
  ["week", "every week"],
  ["month", "every month"],
] as const;
const CACHES = [
  ["standard", "standard"],
  ["eager", "eager: keep everything"],
  ["off", "off"],
] as const;
const NANO = 1_000_000_000;

/** What a new key may unless more is ticked. */
const CALL_SCOPES = ["embeddings", "rerank", "batches"];

/** Fields for a new key, or with the terms of `key`. */
export function keyFields(key: ApiKey | undefined): readonly Child[] {
  const number = (name: string, value: number | null | undefined) =>
    h("input", { name, type: "number", min: 1, step: 1, inputmode: "numeric", value: value ?? "" });
  return [
    h(
      "div",
      { class: "fields" },
      fullWidth(
        field(
          "Name",
          h("input", { name: "name", required: true, maxlength: 100, value: key?.name ?? "", autocomplete: "off" }),
        ),
      ),
      fullWidth(
        h(
          "fieldset",
          {},
          h("legend", {}, "May"),
          ...SCOPES.map(([scope, label]) =>
            h(
              "label",
              { class: "check" },
              h("input", {
                type: "checkbox",
                name: "scopes",
                value: scope,
                checked: (key?.scopes ?? CALL_SCOPES).includes(scope),
              }),
              label,
            ),
          ),
        ),
      ),
      field(
        "Spending cap, USD",
        h("input", {
          name: "cap",
          type: "number",
          min: 0,
          step: "any",
          inputmode: "decimal",
          value: usdOf(key?.cap_nano_usd),
        }),
        "Empty: none",
      ),
      field("The cap starts anew", select("cap_reset", CAP_RESETS, key?.cap_reset ?? "")),
      field("Requests a minute", number("requests_per_minute", key?.requests_per_minute), "Empty: the account’s"),
      field("Tokens a minute", number("tokens_per_minute", key?.tokens_per_minute), "Empty: the account’s"),
      field(
        "Expires on",
        h("input", { name: "expires", type: "date", value: dateOf(key?.expires_at) }),
        "Empty: never",
      ),
      field("Cache", select("cache", CACHES, key?.cache ?? "standard")),
    ),
  ];
}

/** The API's fields. What the form leaves empty is null: no such term, which takes one away where there is one. */
export function keyTerms(data: FormData): object {
  const text = (name: string): string | null => {
    const value = data.get(name);
    return typeof value === "string" && value !== "" ? value : null;
  };
  const whole = (name: string): number | null => (text(name) === null ? null : Number(text(name)));
  const cap = text("cap");
  const expires = text("expires");
  return {
    name: text("name"),
    scopes: data.getAll("scopes"),
    cap_nano_usd: nanoOf(cap) ?? cap,
    cap_reset: cap === null ? null : text("cap_reset"),
    requests_per_minute: whole("requests_per_minute"),
    tokens_per_minute: whole("tokens_per_minute"),
    expires_at: expires === null ? null : Math.floor(Date.parse(`${expires}T23:59:59Z`) / 1000),
    cache: text("cache"),
  };
}

function select(name: string, options: readonly (readonly [string, string])[], chosen: string): HTMLSelectElement {
  return h(
    "select",
    { name },
    ...options.map(([value, label]) => h("option", { value, selected: value === chosen }, label)),
  );
}

function fullWidth(element: HTMLElement): HTMLElement {
  element.classList.add("full");
  return element;
}

function usdOf(nanoUsd: number | null | undefined): number | "" {
  return nanoUsd === null || nanoUsd === undefined ? "" : nanoUsd / NANO;
}

function dateOf(seconds: number | null | undefined): string {
  return seconds === null || seconds === undefined ? "" : new Date(seconds * 1000).toISOString().slice(0, 10);
}
