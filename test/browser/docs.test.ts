// The API reference in a real browser: from our own files alone, within its policy, with every route to browse.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DevServer } from "../../scripts/dev-server/dev-server.ts";
import { removeFolder, startTestServer, temporaryFolder } from "../support/dev-server.ts";
import { CHROMIUM, WatchedPage, launch } from "./chromium.ts";

describe.skipIf(CHROMIUM === undefined)("the API reference", () => {
  const dataDir = temporaryFolder();
  let server: DevServer;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([startTestServer(dataDir), launch()]);
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
    removeFolder(dataDir);
  });

  test("shows the document's routes and asks nobody else for anything", async () => {
    const context = await browser.newContext({ baseURL: server.url, viewport: { width: 1280, height: 900 } });
    const watched = await WatchedPage.open(context);
    await watched.page.goto("/docs");
    await watched.page.getByText("Embed texts").first().waitFor();
    await watched.page.screenshot({ path: ".build/screenshots/docs.png" });
    expect(watched.faults).toEqual([]);
    expect(watched.urls.filter((url) => !url.startsWith(server.url) && !/^(?:data|blob):/.test(url))).toEqual([]);
    await context.close();
  });
});
