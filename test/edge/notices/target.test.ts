// Which addresses a webhook may have: none that could be inside a network.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ownHosts } from "../../../edge/notices/settings.ts";
import { judgeTarget } from "../../../edge/notices/target.ts";

const kindOf = (url: string, loopback = false) => judgeTarget(url, loopback).kind;

describe("a public https name is allowed", () => {
  test.each([
    "https://example.com/hook",
    "https://example.com:443/hook?a=b",
    "https://hooks.example.co.uk:8443/",
    "https://EXAMPLE.com",
    "https://xn--bcher-kva.example.net/",
    "https://bücher.example.net/",
    "https://1.example.com/",
  ])("%s", (url) => expect(kindOf(url)).toBe("allowed"));

  test("and keeps no fragment", () => {
    expect(judgeTarget("https://example.com/a#secret", false)).toEqual({
      kind: "allowed",
      url: "https://example.com/a",
    });
  });
});

describe("a name of this deployment is refused", () => {
  const own = ownHosts(
    {
      BACKENDS: '[{"model": "a/b", "origin": "https://backend-1.example.com:8443"}]',
      ADMIN_HOST: "operator.example.com",
    },
    "https://api.example.com/v1/webhooks",
  );
  test.each([
    "https://backend-1.example.com/",
    "https://BACKEND-1.example.com:8443/embed",
    "https://operator.example.com./admin",
    "https://api.example.com/v1/keys",
  ])("%s", (url) => expect(judgeTarget(url, false, own).kind).toBe("refused"));

  test("and no other of its domain", () => {
    expect(judgeTarget("https://hooks.example.com/", false, own).kind).toBe("allowed");
  });
});

describe("an address that could be inside a network is refused", () => {
  test.each([
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "https://example.com:22/",
    "https://example.com:8080/",
    "https://user:pass@example.com/",
    "https://user@example.com/",
    "https://localhost/",
    "https://localhost./",
    "https://intranet/",
    "https://db.internal/",
    "https://metadata.google.internal./",
    "https://printer.local/",
    "https://a.localhost/",
    "https://router.lan/",
    "https://box.home.arpa/",
    "https://kubernetes.default.svc/",
    "https://kubernetes.default.svc./",
    "https://api.prod.svc.cluster/",
    "https://api.prod.svc.cluster.local/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://0/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://8.8.8.8/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fd00::1]/",
    "https://[fe80::1]/",
    "https://１２７.0.0.1/",
    "https://example.com../",
    "not a url",
    "",
    `https://example.com/${"a".repeat(3000)}`,
  ])("%s", (url) => expect(kindOf(url)).toBe("refused"));

  test("in any spelling of an IPv4 address", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 32 - 1 }), fc.constantFrom(10, 16, 8), (address, radix) => {
        const prefix = radix === 16 ? "0x" : radix === 8 ? "0" : "";
        expect(kindOf(`https://${prefix}${address.toString(radix)}/`)).toBe("refused");
      }),
    );
  });
});

test("this machine is allowed only in development, over http on any port", () => {
  expect(kindOf("http://127.0.0.1:4000/x")).toBe("refused");
  expect(kindOf("http://127.0.0.1:4000/x", true)).toBe("allowed");
  expect(kindOf("http://10.0.0.1/", true)).toBe("refused");
  expect(kindOf("http://localhost:4000/", true)).toBe("refused");
  expect(kindOf("https://127.0.0.1/", true)).toBe("refused");
});
