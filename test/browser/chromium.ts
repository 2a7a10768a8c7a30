// The tests' Chromium, and what a page did in it: requests, errors, policy violations.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import axe from "axe-core";
import { chromium } from "playwright-core";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { browserFiles } from "./browser-files.ts";

/** undefined: there is none here, and install.ts has said so. */
export const BROWSER = browserFiles();

export function launch(): Promise<Browser> {
  if (BROWSER === undefined) throw new Error("no browser");
  const { executablePath, env } = BROWSER;
  // Containers have no user namespaces to build the sandbox from; the pages are our own.
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu"],
    ...(env === undefined ? {} : { env: { ...process.env, ...env } }),
  });
}

const SCREENSHOTS = join(import.meta.dirname, "../../.build/screenshots");
mkdirSync(SCREENSHOTS, { recursive: true });

/** For people to look at, where they ask for it; not in git. */
export async function screenshot(page: Page, name: string): Promise<void> {
  if (process.env["SCREENSHOTS"] !== "1") return;
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}

const figures: Record<string, object> = {};

/** What was measured of the page called `name`: .build/screenshots/figures.json. */
export function noteFigures(name: string, measured: object): void {
  figures[name] = measured;
  writeFileSync(join(SCREENSHOTS, "figures.json"), `${JSON.stringify(figures, undefined, 2)}\n`);
}

/** A page that remembers what must not happen, and what it loaded. */
export class WatchedPage {
  readonly page: Page;
  readonly faults: string[] = [];
  readonly urls: string[] = [];
  readonly #bodies: Promise<Buffer>[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on("pageerror", (error) => this.faults.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") this.faults.push(message.text());
    });
    page.on("request", (request) => this.urls.push(request.url()));
    page.on("response", (response) => {
      this.#bodies.push(response.body().catch(() => Buffer.alloc(0)));
    });
  }

  static async open(context: BrowserContext): Promise<WatchedPage> {
    return new WatchedPage(await context.newPage());
  }

  /** Takes back the browser's own notes of refusals that the test provoked and saw explained. */
  forgive(pattern: RegExp): void {
    this.faults.splice(0, this.faults.length, ...this.faults.filter((fault) => !pattern.test(fault)));
  }

  /** Bytes of everything loaded so far, gzipped. */
  async weight(): Promise<number> {
    return (await Promise.all(this.#bodies)).reduce((sum, body) => sum + gzipSync(body).length, 0);
  }
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly target: readonly unknown[]; readonly failureSummary?: string }[];
  }[];
}

/** What axe-core finds wrong: WCAG 2.2 A and AA and its best practices; or only `rules`. */
export async function accessibilityFaults(page: Page, rules?: readonly string[]): Promise<readonly string[]> {
  // Evaluated by the debugger, which the page's policy does not bind.
  if (await page.evaluate("typeof axe === 'undefined'")) await page.evaluate(axe.source);
  const options = {
    resultTypes: ["violations"],
    preload: false,
    ...(rules === undefined ? {} : { runOnly: { type: "rule", values: rules } }),
  };
  const result: AxeResult = await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`);
  return result.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary ?? ""}`),
  );
}
