// The terms of a key as a form, and back as the API's fields.

import type { VNode } from "preact";
import { Check, Choice, Field } from "./fields.tsx";
import type { ApiKey } from "./types.ts";
import { nanoOf, usdOf } from "./usd-input.ts";

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

/** Ticked for a new key. */
const CALL_SCOPES = ["embeddings", "rerank", "batches"];

/** Fields for a new key, or filled in with a key's terms. */
export function KeyFields({ of: key }: { readonly of?: ApiKey }): VNode {
  const perMinute = (label: string, name: "requests_per_minute" | "tokens_per_minute") => (
    <Field
      label={label}
      name={name}
      type="number"
      min={1}
      step={1}
      inputmode="numeric"
      defaultValue={key?.[name] ?? ""}
      help="Empty: the account’s"
    />
  );
  return (
    <div class="fields">
      <Field label="Name" name="name" required maxlength={100} defaultValue={key?.name} autocomplete="off" isFull />
      <fieldset class="full">
        <legend>Scopes</legend>
        {SCOPES.map(([scope, label]) => (
          <Check name="scopes" value={scope} label={label} isChecked={(key?.scopes ?? CALL_SCOPES).includes(scope)} />
        ))}
      </fieldset>
      <Field
        label="Spending cap, USD"
        name="cap"
        type="number"
        min={0}
        step="any"
        inputmode="decimal"
        defaultValue={usdOf(key?.cap_nano_usd)}
        help="Empty: none"
      />
      <Choice label="The cap resets" name="cap_reset" options={CAP_RESETS} chosen={key?.cap_reset ?? ""} />
      {perMinute("Requests a minute", "requests_per_minute")}
      {perMinute("Tokens a minute", "tokens_per_minute")}
      <Field label="Expires on" name="expires" type="date" defaultValue={dateOf(key?.expires_at)} help="Empty: never" />
      <Choice label="Cache" name="cache" options={CACHES} chosen={key?.cache ?? "standard"} />
    </div>
  );
}

/** The API's fields. An empty field is null: it removes the term. */
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

function dateOf(seconds: number | null | undefined): string {
  return seconds === null || seconds === undefined ? "" : new Date(seconds * 1000).toISOString().slice(0, 10);
}
