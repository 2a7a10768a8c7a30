// What the development server's front passes on: what only Cloudflare may say of a caller, no client says.

import { expect, test } from "vitest";
import { RequestFraming } from "../../scripts/dev-server/request-framing.ts";

const passed = (head: string): string =>
  Buffer.concat([...new RequestFraming().push(Buffer.from(head, "latin1")).pieces]).toString("latin1");

test.each(["CF-Connecting-IP: 192.0.2.1", "cf-connecting-ip:192.0.2.1", "Cf-Connecting-IPv6: ::1"])(
  "a client's %s goes no further",
  (line) => {
    const head = `GET / HTTP/1.1\r\nHost: a\r\n${line}\r\nX-A: b\r\n\r\n`;
    expect(passed(head)).toBe("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n");
  },
);

test("other headers pass as they came", () => {
  const head = "GET / HTTP/1.1\r\nHost: a\r\nX-CF-Connecting-IP: 1\r\n\r\n";
  expect(passed(head)).toBe(head);
});
