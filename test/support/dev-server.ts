// The whole product on this machine, as `npm start` runs it, in its own folder, for tests from outside.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DevServer, Reporter } from "../../scripts/dev-server/dev-server.ts";
import { startDevServer } from "../../scripts/dev-server/dev-server.ts";
import { readOptions } from "../../scripts/dev-server/options.ts";
import type { PublishedDocument } from "./openapi-check.ts";
import { OpenApiCheck } from "./openapi-check.ts";

const SILENT: Reporter = { progress: () => undefined, log: () => undefined };

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "gigarouter-test-"));
}

/** Starts backend and edge on free ports. `settings` go to the Worker; `models` as `--model` takes them, the demo unless told. */
export function startTestServer(
  dataDir: string,
  settings: Readonly<Record<string, string>> = {},
  report: Reporter = SILENT,
  models: readonly string[] = [],
): Promise<DevServer> {
  const options = readOptions(["--port", "0", "--data", dataDir, ...models.flatMap((model) => ["--model", model])]);
  if (options === undefined) throw new Error("no options");
  return startDevServer(options, report, settings);
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

const published = new Map<string, Promise<OpenApiCheck>>();

/** A checker of answers against the document that the server at `url` publishes. */
function publishedAt(url: string): Promise<OpenApiCheck> {
  const known = published.get(url);
  if (known !== undefined) return known;
  const reading = readPublished(url);
  published.set(url, reading);
  reading.catch(() => published.delete(url));
  return reading;
}

async function readPublished(url: string): Promise<OpenApiCheck> {
  const response = await fetch(`${url}/v1/openapi.json`);
  return new OpenApiCheck((await response.json()) as PublishedDocument);
}

/** Makes one JSON call. Throws if the published document does not describe the answer. */
export async function call(
  url: string,
  key: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(url + path, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const contentType = response.headers.get("content-type");
  const method = body === undefined ? "GET" : "POST";
  const fault = (await publishedAt(url)).fault({ method, path, status: response.status, contentType, text });
  if (fault !== undefined) throw new Error(`an answer that the published document does not have: ${fault}`);
  return { status: response.status, headers: response.headers, body: JSON.parse(text) as Record<string, unknown> };
}
