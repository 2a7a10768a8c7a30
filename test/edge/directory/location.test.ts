// Where an account's object is made: near who signs in, or where the operator says.

import { env } from "cloudflare:test";
import { expect, test, vi } from "vitest";
import { locationOf } from "../../../edge/lib/location.ts";
import { Api } from "../support/api.ts";

const hints: unknown[] = [];
const ACCOUNT = new Proxy(env.ACCOUNT, {
  get(target, name) {
    if (name === "idFromName") return (id: string) => target.idFromName(id);
    return (id: DurableObjectId, options?: { locationHint?: string }) => {
      hints.push(options?.locationHint);
      return target.get(id);
    };
  },
});
const api = new Api({ ACCOUNT });

test.each([
  [{ continent: "NA", longitude: "-122.4" }, "wnam"],
  [{ continent: "NA", longitude: "-74" }, "enam"],
  [{ continent: "EU", longitude: "2.35" }, "weur"],
  [{ continent: "EU", longitude: "21" }, "eeur"],
  [{ continent: "AS", longitude: "46.7" }, "me"],
  [{ continent: "AS", longitude: "139.7" }, "apac"],
  [{ continent: "SA" }, "sam"],
  [{ continent: "AF" }, "afr"],
  [{ continent: "OC" }, "oc"],
  [{ continent: "AN" }, undefined],
  [{}, undefined],
  [undefined, undefined],
])("%j is near %s", (cf, location) => {
  expect(locationOf(cf)).toBe(location);
});

test("the operator's word decides where the object is made, and a wrong one is refused by name", async () => {
  expect((await api.admin("/admin/accounts", { name: "Far", location: "oc" })).status).toBe(201);
  expect(hints[0]).toBe("oc");
  await vi.waitUntil(() => hints.length > 1);
  expect(hints.slice(1)).toEqual(hints.slice(1).map(() => undefined));
  const wrong = await api.admin("/admin/accounts", { name: "Far", location: "mars" });
  expect(wrong.status).toBe(400);
  expect(wrong.text).toContain("location");
});
