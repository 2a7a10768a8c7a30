// Rights are judged by an isolate when it admits a call (from memory) and by the object in the turn of an act. One
// function does both, so that both refuse the same key for the same reason.

import { expect, test } from "vitest";
import { refusalByRights } from "../../../edge/ledger/rights.ts";
import type { KeyTerms } from "../../../edge/keys/key-acts.ts";
import type { Scope } from "../../../edge/ledger/types.ts";
import { TestIsolate, hashesOf, openAccount } from "./support.ts";

const INSIDE = "203.0.113.7";
const OUTSIDE = "198.51.100.1";
const RANGE = { ipAllow: ["203.0.113.0/24"] };
const EXPIRED = { expiresAtMs: Date.UTC(2026, 0) };

const TERMS: readonly Partial<KeyTerms>[] = [
  {},
  RANGE,
  { scopes: ["rerank"] },
  { ...RANGE, scopes: ["rerank"] },
  EXPIRED,
  { ...EXPIRED, ...RANGE, scopes: ["rerank"] },
  { expiresAtMs: Date.UTC(2099, 0), models: ["owner/other"] },
];

test.each(TERMS)("an isolate and the object refuse a key with %j alike", async (terms) => {
  const { stub, key } = await openAccount(1000, terms);
  const isolate = new TestIsolate();
  const secret = await hashesOf(key);
  for (const ip of [INSIDE, OUTSIDE]) {
    for (const scope of ["embeddings", "usage:read", undefined] satisfies (Scope | undefined)[]) {
      const asked = { ip, ...(scope === undefined ? {} : { scope }) };
      // Twice: from the object's answer, and from memory.
      for (let time = 0; time < 2; time += 1) {
        const waitUntil = (work: Promise<unknown>) => void isolate.background.push(work);
        const isolates = await isolate.wallet.authorize({ key, ...asked, countsRequest: false, waitUntil });
        const objects = await stub.rightsNow({ secret, ...asked });
        expect(isolates.kind === "refused" ? { refused: isolates.refusal } : isolates.rights).toEqual(objects);
      }
    }
  }
});

test("faults that no other request could avoid are reported first", () => {
  const rights = { expiresAtMs: 10, ipAllow: ["203.0.113.0/24"], scopes: ["rerank"], models: ["a/b"] } as const;
  const asked = { ip: OUTSIDE, scope: "embeddings", model: "a/c" } as const;
  expect(refusalByRights(rights, asked, 10)).toEqual({ kind: "expired", expiredAtMs: 10 });
  expect(refusalByRights(rights, asked, 9)).toEqual({ kind: "ip", ip: OUTSIDE });
  expect(refusalByRights(rights, { ...asked, ip: INSIDE }, 9)).toMatchObject({ kind: "scope", needed: "embeddings" });
  expect(refusalByRights(rights, { ...asked, ip: INSIDE, scope: "rerank" }, 9)).toMatchObject({ kind: "model" });
  expect(refusalByRights(rights, { ip: INSIDE, scope: "rerank", model: "a/b" }, 9)).toBeUndefined();
  expect(refusalByRights(rights, { ip: INSIDE, scope: "rerank" }, 9)).toBeUndefined();
});
