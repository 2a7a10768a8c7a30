// Tests of the playground, of how charts are drawn and of refusals that an owner sees: part of pages.test.ts, in front of its
// server.

import type { Browser } from "playwright-core";
import { expect, test } from "vitest";
import { SAMPLE } from "../../edge/pages/client/sample-answer.ts";
import type { DevServer } from "../../scripts/dev-server/dev-server.ts";
import { DEMO_MODEL_ID } from "../../shared/catalog.ts";
import { call } from "../support/dev-server.ts";
import type { WatchedPage } from "./chromium.ts";
import { accessibilityFaults, screenshot } from "./chromium.ts";

interface Site {
  readonly withPage: (
    options: Parameters<Browser["newContext"]>[0],
    work: (watched: WatchedPage) => Promise<void>,
  ) => Promise<void>;
  readonly signIn: (watched: WatchedPage) => Promise<void>;
  readonly server: () => DevServer;
  readonly weightBytesMax: number;
  readonly narrow: { readonly width: number; readonly height: number };
}

export function playgroundAndCharts(site: Site): void {
  test("the playground draws texts, and says what fewer dimensions change", async () => {
    await site.withPage({}, async (watched) => {
      const { page } = watched;
      await site.signIn(watched);
      await page.goto("/playground");
      await page.getByRole("button", { name: "Embed" }).click();
      await page.getByRole("heading", { name: "Map" }).waitFor();
      const cells = page.locator(".heat td[title]");
      expect(await cells.count()).toBe(49);
      expect(await cells.first().innerText()).toBe("1.00");
      const before = await cells.allInnerTexts();
      await page.getByLabel("Dimensions").fill("8");
      expect(await page.getByText("Similarities change by").innerText()).toMatch(/by 0\.\d+ on average/);
      expect(await cells.allInnerTexts()).not.toEqual(before);
      expect(await accessibilityFaults(page)).toEqual([]);
      await screenshot(page, "playground-result-light");
      await page.emulateMedia({ colorScheme: "dark" });
      expect(await accessibilityFaults(page, ["color-contrast"])).toEqual([]);
      await screenshot(page, "playground-result-dark");
      expect(await watched.weight()).toBeLessThan(site.weightBytesMax);
    });
  });

  test("the playground ranks documents by a reranker, the cosine beside it", async () => {
    await site.withPage({}, async (watched) => {
      const { page } = watched;
      await site.signIn(watched);
      await page.goto("/playground");
      await page.getByRole("radio", { name: "Rerank" }).check();
      expect(await page.getByRole("button", { name: "Embed" }).isVisible()).toBe(false);
      expect(await page.locator("#rerank-request code").innerText()).toContain("/v1/rerank");
      await page.getByRole("button", { name: "Rank" }).click();
      const rows = page.locator(".scores tbody tr");
      await rows.first().waitFor();
      expect(await rows.count()).toBe(4);
      const methods = await page.locator(".scores thead th").allInnerTexts();
      expect(methods).toEqual(["Document", "reranker", "cosine"]);
      const scores = (await page.locator(".scores td:nth-of-type(1)").allInnerTexts()).map(Number);
      expect(scores).toEqual(scores.toSorted((a, b) => b - a));
      // The reranker is random; the demo knows what the query is about.
      const texts = await rows.allInnerTexts();
      const cosines = (await page.locator(".scores td:nth-of-type(2)").allInnerTexts()).map(Number);
      expect(texts[cosines.indexOf(Math.max(...cosines))]).toContain("Reset password");
      expect(await accessibilityFaults(page)).toEqual([]);
      await screenshot(page, "playground-rerank-light");
      await page.emulateMedia({ colorScheme: "dark" });
      expect(await accessibilityFaults(page, ["color-contrast"])).toEqual([]);
      expect(await watched.weight()).toBeLessThan(site.weightBytesMax);
    });
  });

  test("the playground shows a visitor the request and a sample answer, without signing in", async () => {
    await site.withPage({}, async (watched) => {
      const { page } = watched;
      await page.goto("/playground");
      await page.getByRole("heading", { name: "A sample answer" }).waitFor();
      expect(await page.locator(".heat td[title]").count()).toBe(49);
      await page.getByRole("heading", { name: "Map" }).waitFor();
      expect(await page.getByRole("region", { name: "The answer as JSON" }).innerText()).toContain('"object": "list"');
      const request = page.locator("#request code");
      expect(await request.innerText()).toContain("How do I reset my password?");
      await page.getByLabel("Texts, one a line").fill("It's mine");
      await page.getByLabel("The texts are").selectOption("query");
      expect(await request.innerText()).toContain('"input_type": "query"');
      expect(await request.innerText()).toContain(String.raw`"It'\''s mine"`);
      expect(await request.innerText()).not.toContain("How do I reset");
      await page.getByRole("button", { name: "Embed" }).click();
      expect(await page.getByRole("alert").innerText()).toContain("Sign in");
      expect(watched.urls.filter((url) => url.includes("/v1/"))).toEqual([]);
      expect(await accessibilityFaults(page)).toEqual([]);
      expect(await watched.weight()).toBeLessThan(site.weightBytesMax);
      await screenshot(page, "playground-visitor-light");
    });
  });

  test("the sample answer is the demo model's", async () => {
    const { url, apiKey } = site.server();
    const page = await (await fetch(`${url}/playground`, { headers: { accept: "text/html" } })).text();
    const input = (/<textarea[^>]*>([^<]*)</.exec(page)?.[1] ?? "").split("\n");
    const body = { model: DEMO_MODEL_ID, input, output_dtype: "int8" };
    const live = (await call(url, apiKey, "/v1/embeddings", body)).body;
    expect([SAMPLE.model, SAMPLE.tokens]).toEqual([
      live["model"],
      (live["usage"] as { readonly prompt_tokens: number }).prompt_tokens,
    ]);
    const vectors = (live["data"] as { readonly embedding: readonly number[] }[]).map(({ embedding }) => embedding);
    const stored = SAMPLE.vectors.map((text) => [...new Int8Array(Buffer.from(text, "base64"))]);
    expect(stored.map((vector) => vector.length)).toEqual(vectors.map((vector) => vector.length));
    // A class of processors may round one component the other way.
    const farthest = stored.map((vector, index) =>
      Math.max(...vector.map((value, place) => Math.abs(value - (vectors[index]?.[place] ?? Infinity)))),
    );
    expect(Math.max(...farthest)).toBeLessThanOrEqual(2);
  });

  test("no label of a chart leaves its card, however small the amounts", async () => {
    const { url, apiKey } = site.server();
    await call(url, apiKey, "/v1/embeddings", { model: DEMO_MODEL_ID, input: "a" });
    for (const viewport of [{ width: 1200, height: 800 }, site.narrow]) {
      await site.withPage({ viewport }, async (watched) => {
        const { page } = watched;
        await site.signIn(watched);
        await page.getByRole("heading", { name: "Spend by day and model" }).waitFor();
        const labels = page.locator(".panel svg text");
        await expect.poll(() => labels.count()).toBeGreaterThan(20);
        expect((await labels.allTextContents()).some((text) => text.startsWith("$0.0000"))).toBe(true);
        const outside = await page.evaluate(() =>
          [...document.querySelectorAll(".panel svg text")]
            .filter((label) => {
              const [own, card] = [label, label.closest(".panel") ?? label].map((one) => one.getBoundingClientRect());
              return own === undefined || card === undefined || own.left < card.left || own.right > card.right;
            })
            .map((label) => label.textContent),
        );
        expect(outside).toEqual([]);
      });
    }
  });

  test("a chart reads out what the pointer is over and moves nothing for it; its table is accessible", async () => {
    await site.withPage({ viewport: site.narrow }, async (watched) => {
      const { page } = watched;
      await site.signIn(watched);
      const chart = page.getByRole("img", { name: "Spend by day and model" });
      const panel = page.locator(".panel").filter({ has: chart });
      await chart.scrollIntoViewIfNeeded();
      const atRest = await chart.boundingBox();
      // Today's column is the last.
      await chart.hover({ position: { x: (atRest?.width ?? 0) - 12, y: 40 } });
      expect(await panel.locator(".readout span").innerText()).toMatch(/^\d+ \w+ \d{4}: \$/);
      expect(await chart.boundingBox()).toEqual(atRest);
      await panel.getByText("As a table").click();
      await panel.getByRole("table", { name: "Spend by day and model" }).waitFor();
      expect(await panel.getByRole("row").count()).toBe(31);
      expect(await accessibilityFaults(page)).toEqual([]);
    });
  });

  test("what fails in the background is said on the page", async () => {
    await site.withPage({}, async (watched) => {
      const { page } = watched;
      await site.signIn(watched);
      await page.getByRole("heading", { name: "Spend by day and model" }).waitFor();
      await page.route("**/dashboard/api/v1/usage?*", (route) => route.abort());
      await page.getByRole("combobox", { name: "Period" }).selectOption("7 days");
      await page.getByRole("alert").getByText("The server could not be reached.").waitFor();
      watched.forgive(/ERR_FAILED/);
    });
  });

  test("a refusal that the owner can mend stands on the first view and beside the key, with its name", async () => {
    const { url, apiKey } = site.server();
    const terms = { name: "Nightly job", scopes: ["embeddings"], cap_nano_usd: 1 };
    const made = (await call(url, apiKey, "/v1/keys", terms)).body;
    const refused = await call(url, String(made["key"]), "/v1/embeddings", { model: DEMO_MODEL_ID, input: "a" });
    expect(refused.status).toBe(402);
    const headers = { authorization: `Bearer ${apiKey}` };
    const listed = async () => await (await fetch(`${url}/v1/keys/${String(made["id"])}`, { headers })).json();
    await expect.poll(listed).toMatchObject({ last_refusal: { code: "key_cap_reached" } });
    await site.withPage({ permissions: ["clipboard-read", "clipboard-write"] }, async (watched) => {
      const { page } = watched;
      await site.signIn(watched);
      const note = page.locator(".note.warn", { hasText: "Nightly job" });
      expect(await note.innerText()).toMatch(/^Nightly job Refused .*\d\d:\d\d: the key’s spending cap is reached\.$/);
      await page.getByRole("navigation", { name: "Dashboard" }).getByRole("link", { name: "Keys" }).click();
      await page.getByRole("row", { name: /Nightly job Refused .*spending cap/ }).waitFor();
      expect(await accessibilityFaults(page)).toEqual([]);
      await screenshot(page, "keys-refused-light");
      // A refresh keeps what was typed, and the focus on the button that opened the dialog.
      await page.getByLabel("Find").fill("nightly");
      await page.getByRole("button", { name: "Edit Nightly job" }).press("Enter");
      await page.getByLabel("Requests a minute").fill("7");
      await page.getByRole("button", { name: "Save" }).press("Enter");
      await page.getByText("Nightly job was saved").waitFor({ state: "attached" });
      expect(await page.getByLabel("Find").inputValue()).toBe("nightly");
      expect(await page.locator("tr[data-key]:visible").count()).toBe(1);
      expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Edit Nightly job");
      await page.getByRole("button", { name: "Rotate Nightly job" }).press("Enter");
      await page.getByRole("button", { name: "Rotate", exact: true }).press("Enter");
      await page.getByRole("dialog", { name: "The replacement key" }).getByRole("button", { name: "Copy" }).click();
      const shown = await page.getByRole("textbox", { name: "Key Nightly job" }).inputValue();
      expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(shown);
    });
    await fetch(`${url}/v1/keys/${String(made["id"])}`, { method: "DELETE", headers });
  });
}
