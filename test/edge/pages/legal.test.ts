// What a paying customer's lawyer, a finder of weaknesses and a crawler open.

import { afterEach, expect, test } from "vitest";
import { forgetServices } from "../../../edge/services.ts";
import { Api } from "../support/api.ts";

const FILLED = { OPERATOR_NAME: "Vectors <Ltd>", OPERATOR_ADDRESS: "1 Way, Town", CONTACT_EMAIL: "us@vectors.test" };
afterEach(() => forgetServices());

test("/terms, /privacy and /contact name the operator, escaped, and each page links to them", async () => {
  const api = new Api(FILLED);
  for (const path of ["/terms", "/privacy", "/contact"]) {
    const { status, text } = await api.call(path);
    expect([path, status]).toEqual([path, 200]);
    expect(text).toContain("Vectors &lt;Ltd&gt;");
    expect((await api.call("/")).text).toContain(`href="${path}"`);
  }
  expect((await api.call("/contact")).text).toContain("1 Way, Town");
  expect((await api.call("/privacy")).text).toContain('href="mailto:us@vectors.test"');
});

test("the privacy page names others only where this deployment uses them, and each life of docs/storage.md", async () => {
  const { text } = await new Api(FILLED).call("/privacy");
  expect(text).toContain("Stripe: takes card payments");
  expect(text).toContain("GitHub, if you sign in");
  expect(text).not.toContain("A mail service");
  for (const life of ["at most 30 days", "24 hours", "a day; 30 days", "7 days", "newest 200"])
    expect(text).toContain(life);
  forgetServices();
  const bare = { STRIPE_SECRET_KEY: "", STRIPE_WEBHOOK_SECRET: "", GITHUB_CLIENT_ID: "", GITHUB_CLIENT_SECRET: "" };
  const plain = (await new Api(bare).call("/privacy")).text;
  expect(plain).not.toMatch(/Stripe: takes|GitHub, if/);
  expect(plain).toContain("its name is not filled in");
});

test("security.txt is RFC 9116's with an address to write to, and is not there without", async () => {
  const api = new Api(FILLED);
  const { status, headers, text } = await api.call("/.well-known/security.txt");
  expect([status, headers.get("content-type")]).toEqual([200, "text/plain; charset=UTF-8"]);
  expect(text).toContain("Contact: mailto:us@vectors.test\n");
  expect(text).toContain("Canonical: https://api.test/.well-known/security.txt\n");
  const days = (Date.parse(/^Expires: (.+)$/m.exec(text)?.[1] ?? "") - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(170);
  expect(days).toBeLessThan(365);
  forgetServices();
  expect((await new Api().call("/.well-known/security.txt")).status).toBe(404);
});

test("robots.txt leaves pages to crawlers, and neither the API nor what needs a session", async () => {
  const { status, text } = await new Api().call("/robots.txt");
  expect(status).toBe(200);
  for (const path of ["/v1/", "/admin", "/dashboard"]) expect(text).toContain(`Disallow: ${path}\n`);
  expect(text).not.toMatch(/^Disallow: \/$/m);
});
