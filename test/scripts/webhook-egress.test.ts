// The way out for webhooks on a machine of one's own: no name leads into its network.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { callPublic, isPublicAddress, publicLookup } from "../../scripts/dev-server/webhook-egress.ts";

const resolvesTo = (...addresses: readonly string[]) =>
  publicLookup((_name, done) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    ),
  );

const INSIDE = [
  "10.0.0.1",
  "127.0.0.1",
  "169.254.169.254",
  "172.16.0.1",
  "192.168.1.1",
  "100.64.0.1",
  "0.0.0.0",
  "224.0.0.1",
  "255.255.255.255",
  "::1",
  "::",
  "fd00::1",
  "fe80::1",
  "::ffff:10.0.0.1",
  "64:ff9b::a00:1",
  "2002:a00:1::1",
];

test.each(INSIDE)("a name that resolves to %s is not called", async (address) => {
  expect(isPublicAddress(address)).toBe(false);
  const request = new Request("https://hooks.example.com/", { method: "POST", body: "{}" });
  await expect(callPublic(request, resolvesTo(address))).rejects.toThrow("not public");
});

describe("a name is looked at whole", () => {
  test("one address inside among public ones is enough to refuse it", async () => {
    for (const addresses of [["8.8.8.8", "1.1.1.1", "10.0.0.1"], []]) {
      const request = new Request("https://hooks.example.com/", { method: "POST", body: "{}" });
      await expect(callPublic(request, resolvesTo(...addresses))).rejects.toThrow("not public");
    }
  });

  test("a public one is connected to at the address that was looked at", () => {
    const asked: unknown[] = [];
    resolvesTo("8.8.8.8", "2606:4700::1111")("example.com", {}, (...answer) => asked.push(answer));
    resolvesTo("8.8.8.8")("example.com", { all: true }, (...answer) => asked.push(answer));
    expect(asked).toEqual([
      [null, "8.8.8.8", 4],
      [null, [{ address: "8.8.8.8", family: 4 }]],
    ]);
  });
});

test("in development http://127.0.0.1 is a receiver, and its status the answer", async () => {
  const got: string[] = [];
  const server = createServer((request, response) => {
    request.on("data", (bytes: Buffer) => got.push(bytes.toString()));
    request.on("end", () => response.writeHead(410).end("gone"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const request = new Request(`http://127.0.0.1:${port}/hook`, { method: "POST", body: "{}" });
  expect(await callPublic(request)).toBe(410);
  expect(got).toEqual(["{}"]);
  await new Promise((resolve) => server.close(resolve));
});
