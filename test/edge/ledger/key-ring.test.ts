// Keys while the pepper is rotated: found under both peppers, stored under the new one at their first use, never lost.

import { describe, expect, test } from "vitest";
import { KeyRing } from "../../../edge/ledger/key-ring.ts";
import type { KeyRecord } from "../../../edge/ledger/storage.ts";
import { MemoryStorage } from "../../sim/memory-storage.ts";
import { newId } from "../../../shared/ids.ts";

const HOUR_MS = 3_600_000;
const [OLD, NEW] = [
  { pepperId: "old", hash: "hash-under-old" },
  { pepperId: "new", hash: "hash-under-new" },
];
const KEY: KeyRecord = {
  ...OLD,
  id: newId("key"),
  name: "k",
  prefix: "gr-…",
  scopes: [],
  cache: "standard",
  createdAtMs: 0,
};

function ringWith(record: KeyRecord) {
  const storage = new MemoryStorage();
  const ring = new KeyRing([record], {});
  return { ring, storage, stored: () => storage.readKeys()[0] };
}

describe("a key under a pepper that is rotated out", () => {
  test("is stored under the new one at its first use, and after an hour found only under that", () => {
    const { ring, storage, stored } = ringWith(KEY);
    ring.renew(KEY, [NEW, OLD], 0, storage);
    expect(stored()).toMatchObject({ ...NEW, previous: OLD });
    expect(ring.find([NEW], 2 * HOUR_MS)).toMatchObject({ kind: "valid" });
    expect(ring.find([OLD], HOUR_MS / 2)).toMatchObject({ kind: "valid" });
    expect(ring.find([OLD], 2 * HOUR_MS)).toMatchObject({ kind: "refused" });
  });

  test("is written once, and not at all without a rotation", () => {
    const { ring, storage, stored } = ringWith(KEY);
    ring.renew(KEY, [OLD], 0, storage);
    expect(stored()).toBeUndefined();
    ring.renew(KEY, [NEW, OLD], 0, storage);
    const renewed = stored();
    if (renewed !== undefined) ring.renew(renewed, [NEW, OLD], 1, storage);
    expect(storage.writes).toBe(1);
  });

  test("keeps its former secret until the overlap of its own rotation is over", () => {
    const previous = { pepperId: "old", hash: "former-secret", untilMs: 1000 };
    const { ring, storage, stored } = ringWith({ ...KEY, previous });
    ring.renew({ ...KEY, previous }, [NEW, OLD], 999, storage);
    expect(stored()).toBeUndefined();
    expect(ring.find([{ pepperId: "old", hash: "former-secret" }], 999)).toMatchObject({ kind: "valid" });
    ring.renew({ ...KEY, previous }, [NEW, OLD], 1000, storage);
    expect(stored()).toMatchObject(NEW);
  });

  test("is not renewed by a secret that is not its own", () => {
    const { ring, storage, stored } = ringWith(KEY);
    ring.renew(KEY, [NEW, { pepperId: "old", hash: "another" }], 0, storage);
    expect(stored()).toBeUndefined();
  });
});
