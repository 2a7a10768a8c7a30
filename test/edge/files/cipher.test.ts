// Stored content: a chunk opens only with its own secret, account, file and name, and only unchanged.

import { env } from "cloudflare:test";
import { expect, test } from "vitest";
import { ChunkStore } from "../../../edge/files/chunk-store.ts";
import { DamagedFileError, Cipher, SEAL_BYTES } from "../../../edge/lib/cipher.ts";
import { newId } from "../../../shared/ids.ts";

const SECRET = "a secret of the tests, long enough to be one";
const OTHER = "another secret of the tests, as long as that";
const place = () => ({ accountId: newId("account"), fileId: newId("file") });
const PLAIN = new TextEncoder().encode("what a customer wrote");

test("a sealed chunk shows nothing and opens under its own account, file and name", async () => {
  const own = place();
  const cipher = new Cipher([SECRET]);
  const sealed = await cipher.file(own).seal("0", PLAIN);
  expect(sealed.length).toBe(PLAIN.length + SEAL_BYTES);
  expect(new TextDecoder().decode(sealed)).not.toContain("customer");
  expect(await new Cipher([SECRET]).file(own).open("0", sealed)).toEqual(PLAIN);
});

test("two sealings of the same bytes have nothing in common", async () => {
  const seal = new Cipher([SECRET]).file(place());
  const [a, b] = [await seal.seal("0", PLAIN), await seal.seal("0", PLAIN)];
  expect(a.slice(5)).not.toEqual(b.slice(5));
});

test("another secret, account, file or name does not open it", async () => {
  const own = place();
  const sealed = await new Cipher([SECRET]).file(own).seal("0", PLAIN);
  const attempts = [
    new Cipher([OTHER]).file(own).open("0", sealed),
    new Cipher([SECRET]).file({ ...own, accountId: newId("account") }).open("0", sealed),
    new Cipher([SECRET]).file({ ...own, fileId: newId("file") }).open("0", sealed),
    new Cipher([SECRET]).file(own).open("1", sealed),
  ];
  for (const attempt of attempts) await expect(attempt).rejects.toThrow(DamagedFileError);
});

test("a chunk with a changed byte or a missing end does not open", async () => {
  const own = place();
  const seal = new Cipher([SECRET]).file(own);
  const sealed = await seal.seal("0", PLAIN);
  for (let index = 0; index < sealed.length; index += 1) {
    const damaged = sealed.slice();
    damaged[index] = (damaged[index] ?? 0) ^ 1;
    await expect(seal.open("0", damaged)).rejects.toThrow(DamagedFileError);
    await expect(seal.open("0", sealed.slice(0, index))).rejects.toThrow(DamagedFileError);
  }
});

test("a previous secret still opens what it sealed", async () => {
  const own = place();
  const sealed = await new Cipher([OTHER]).file(own).seal("0", PLAIN);
  expect(await new Cipher([SECRET, OTHER]).file(own).open("0", sealed)).toEqual(PLAIN);
});

test("a stored chunk that is missing, of another length than recorded, or moved throws DamagedFileError", async () => {
  const own = place();
  const store = new ChunkStore(env.FILES, new Cipher([SECRET]));
  const first = await store.write(own, "0", PLAIN);
  const second = await store.write(own, "1", new Uint8Array([1, 2, 3]));
  expect(await store.read(own, first)).toEqual(PLAIN);
  await expect(store.read(own, { ...first, bytes: 3 })).rejects.toThrow(DamagedFileError);
  await expect(store.read(own, { name: "2", bytes: 3 })).rejects.toThrow(DamagedFileError);
  const path = (name: string) => `files/${own.accountId}/${own.fileId}/${name}`;
  const moved = await (await env.FILES.get(path("1")))?.arrayBuffer();
  await env.FILES.put(path("0"), moved ?? "");
  await expect(store.read(own, { ...second, name: "0" })).rejects.toThrow(DamagedFileError);
});
