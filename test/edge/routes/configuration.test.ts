// Settings that are missing, half a pair or wrong: only what an embedding needs stops embeddings, everything else is off
// and named, and a Worker that cannot run says why where a person looks.

import { array, assert, constantFrom, property } from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { Env } from "../../../edge/bindings.ts";
import { forgetServices } from "../../../edge/services.ts";
import { FEATURES, readConfig } from "../../../edge/settings.ts";
import { TEST_BINDINGS } from "../../support/test-bindings.ts";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const NEEDED = { ...TEST_BINDINGS, BACKENDS: JSON.stringify([{ model: MODEL, origin: "https://backend.test" }]) };
const half = {
  STRIPE_WEBHOOK_SECRET: undefined,
  GITHUB_CLIENT_SECRET: "",
  EMAIL_API_KEY: "key",
  LOG_REQUESTS: "2",
  HEDGE_AFTER_MS: "soon",
  KEY_PEPPER_PREVIOUS: "short",
  OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318",
  SIGNING_KEY: "a".repeat(44),
  SIGNING_KEYS_RETIRED: "a,b",
} as unknown as Partial<Env>;

/** What `work` writes as errors. */
async function errorsOf(work: () => Promise<unknown>): Promise<Record<string, unknown>[]> {
  const lines: string[] = [];
  vi.spyOn(console, "error").mockImplementation((text: string) => void lines.push(text));
  await work();
  vi.restoreAllMocks();
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

afterEach(() => forgetServices());

describe("optional settings that are half or wrong", () => {
  test("stop no embedding; each is named once in the log, and in /ready", async () => {
    const api = new Api(half);
    let key = "";
    const lines = await errorsOf(async () => {
      ({ key } = await api.newAccount());
    });
    expect(lines.map(({ event }) => event)).toEqual(["configuration"]);
    const embedded = await api.call("/v1/embeddings", { key, body: { model: MODEL, input: "a" } });
    expect(embedded.status).toBe(200);
    const ready = await api.call("/ready");
    expect(ready.status).toBe(200);
    const problems = String(ready.body["problems"]);
    expect(lines[0]?.["message"]).toBe((ready.body["problems"] as string[]).join(" "));
    for (const name of Object.keys(half)) {
      const other = { EMAIL_API_KEY: "EMAIL_API_URL, EMAIL_FROM are missing: e-mail is off" };
      expect(problems).toContain(Reflect.get(other, name) ?? name);
    }
    expect((await api.call("/stripe/webhook", { body: {} })).status).toBe(404);
    expect((await api.call("/auth/github")).status).toBe(404);
  });

  test("in any mixture switch off exactly the features that are not whole", () => {
    const values: Record<string, readonly [right: string, wrong: string]> = {
      EMAIL_API_URL: ["https://mail.test", "x"],
      CANARY_URL: ["https://canary.test", "x"],
    };
    const names = FEATURES.flatMap(({ settings }) => settings);
    const setting = constantFrom("absent", "empty", "right", "wrong");
    assert(
      property(array(setting, { minLength: names.length, maxLength: names.length }), (states) => {
        const { GITHUB_CLIENT_ID: _a, GITHUB_CLIENT_SECRET: _b, STRIPE_SECRET_KEY: _c, ...rest } = NEEDED;
        const env: Record<string, string | undefined> = { ...rest, STRIPE_WEBHOOK_SECRET: undefined };
        const isRight = new Map<string, boolean>();
        for (const [index, name] of names.entries()) {
          const [right, wrong] = values[name] ?? ["value", ""];
          const state = states[index] ?? "absent";
          if (state !== "absent") env[name] = state === "right" ? right : state === "wrong" ? wrong : "";
          isRight.set(name, state === "right");
        }
        const config = readConfig(env);
        for (const { what, settings } of FEATURES) {
          const right = settings.filter((name) => isRight.get(name) === true);
          const isWhole = right.length === settings.length;
          expect(settings.every((name) => (config[name] !== undefined) === isWhole)).toBe(true);
          const isNamed = config.problems.some((problem) => problem.includes(`${what} is off`));
          expect(isNamed).toBe(right.length > 0 && !isWhole);
        }
      }),
    );
  });

  test("without SESSION_SECRET embeddings go on, pages are shown, and nobody can sign in", async () => {
    const api = new Api({ SESSION_SECRET: undefined } as unknown as Partial<Env>);
    await errorsOf(async () => {
      const { key } = await api.newAccount();
      expect((await api.call("/v1/embeddings", { key, body: { model: MODEL, input: "a" } })).status).toBe(200);
      expect((await api.call("/dashboard")).status).toBe(200);
      const headers = { origin: "https://api.test", "content-type": "application/x-www-form-urlencoded" };
      const answer = await api.call("/dashboard/sign-in", { method: "POST", headers, body: `key=${key}` });
      expect(answer.status).toBe(500);
      expect(answer.text).toContain("SESSION_SECRET is missing");
    });
  });
});

describe("a required setting that is missing or wrong", () => {
  test.each([
    ["KEY_PEPPER", undefined, "KEY_PEPPER is missing"],
    ["CACHE_HMAC_KEY", "short", "CACHE_HMAC_KEY must have at least 32 characters"],
    ["BACKENDS", "[{]", "BACKENDS must be JSON like"],
  ])("%s = %s: /health answers, /ready, the answer and the log name it", async (name, value, said) => {
    const api = new Api({ [name]: value });
    expect((await api.call("/health")).status).toBe(200);
    const ready = await api.call("/ready");
    expect(ready.status).toBe(503);
    expect(String(ready.body["problems"])).toContain(said);
    expect((await api.call("/status.json")).body["status"]).toBe("misconfigured");
    const [line] = await errorsOf(async () => {
      const answer = await api.call("/v1/models");
      expect(answer.status).toBe(500);
      expect(answer.text).toContain(said);
      expect(answer.text).toMatch(/Quote request req_\w+/);
    });
    expect(line).toMatchObject({ event: "request", level: "error", route: "/v1/models", code: "internal_error" });
    expect(String(line?.["error"])).toContain(said);
    expect(line?.["request_id"]).toMatch(/^req_/);
  });

  test("all of them are named at once", () => {
    expect(() => readConfig({})).toThrow(
      /BACKENDS is missing; BACKEND_SECRET is missing; KEY_TAG_SECRET is missing; KEY_PEPPER is missing; CACHE_HMAC_KEY/,
    );
  });
});
