// The page of a visitor who is not signed in: what it offers is what this deployment can do.

import { afterEach, expect, test, vi } from "vitest";
import { forgetServices } from "../../../edge/services.ts";
import { must } from "../../../shared/assert.ts";
import { TEST_BINDINGS } from "../../support/test-bindings.ts";
import { Api } from "../support/api.ts";

const FORM = { origin: "https://api.test", "content-type": "application/x-www-form-urlencoded" };
const KEY_FORM = '<form method="post" action="/dashboard/sign-in">';
afterEach(() => {
  forgetServices();
  vi.restoreAllMocks();
});

/** Where the button "Continue with GitHub" of a page leads; undefined: the page has none. */
const gitHubButton = (page: string): string | undefined =>
  /<a\b[^>]* href="([^"]*)"[^>]*>\s*Continue with GitHub\s*<\/a>/.exec(page)?.[1];

test("the button leads to GitHub, on the page of a refused key too", async () => {
  const api = new Api();
  const page = await api.call("/dashboard");
  const refused = await api.call("/dashboard/sign-in", { method: "POST", headers: FORM, body: "key=gr-wrong" });
  expect([page.status, refused.status]).toEqual([200, 401]);
  for (const { text } of [page, refused]) {
    expect(text).toContain(KEY_FORM);
    const { status, headers } = await api.call(must(gitHubButton(text), "the button"));
    expect(status).toBe(302);
    expect(headers.get("location")).toMatch(`${TEST_BINDINGS.GITHUB_ORIGIN}/login/oauth/authorize?`);
  }
});

test.each([
  ["neither half", { GITHUB_CLIENT_ID: "", GITHUB_CLIENT_SECRET: "" }],
  ["no secret", { GITHUB_CLIENT_SECRET: "" }],
  ["no id", { GITHUB_CLIENT_ID: "" }],
])("with %s of GitHub's settings there is no button, and its route signs nobody in", async (_, settings) => {
  vi.spyOn(console, "error").mockImplementation(() => undefined); // half of them is told to the operator
  const api = new Api(settings);
  const { status, text } = await api.call("/dashboard");
  expect(status).toBe(200);
  expect(text).toContain(KEY_FORM);
  expect(gitHubButton(text)).toBeUndefined();
  const { status: direct, headers } = await api.call("/auth/github");
  expect(direct).toBe(404);
  expect(headers.get("location")).toBeNull();
});
