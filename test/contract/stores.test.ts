// The programs of docs/stores.md, unmodified, with the stores themselves, against `npm start`'s server: each embeds only what
// changed, and finds what the plain calls say is nearest, with their scores. The stores weigh 250 MB, so this runs where
// all clients do (CLIENTS_PYTHON: scripts/test-clients.mjs).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DevServer } from "../../scripts/dev-server/dev-server.ts";
import { call, removeFolder, startTestServer, temporaryFolder } from "../support/dev-server.ts";
import { installPackage } from "../support/install-package.ts";
import { runProgram } from "./programs.ts";
import { programOf, readPage, snippetsOf } from "./snippets.ts";

const FOLDER = join(import.meta.dirname, "stores");
const QUESTION = "How do I reset my password?";
/** What the programs' indexes hold in the end. */
const TEXTS = {
  office: "Our office in Bern is closed on Sundays.",
  password: "Open Settings, then Security, then Reset password.",
  ...Object.fromEntries(
    Array.from({ length: 299 }, (_, index) => [`invoice-${index + 1}`, `Invoice ${index + 1} was paid on time.`]),
  ),
};
/** Stores keep float32. */
const TOLERANCE = 1e-5;

const stores = snippetsOf("stores");

describe("docs/stores.md", () => {
  test("names the versions that are installed, and no others", () => {
    const manifest = readFileSync(join(FOLDER, "package.json"), "utf8");
    const { dependencies } = JSON.parse(manifest) as { readonly dependencies: Record<string, string> };
    const named = [...readPage("stores").matchAll(/(?<=[\s`])(@?[\w/-]+@\d[\d.]+\d)/g)].map(([, one]) => one);
    expect(new Set(named)).toEqual(
      new Set(Object.entries(dependencies).map(([name, version]) => `${name}@${version}`)),
    );
  });
});

describe.skipIf(process.env["CLIENTS_PYTHON"] === undefined)("docs/stores.md with", () => {
  const dataDir = temporaryFolder();
  const scores = new Map<string, number>();
  let server: DevServer;

  beforeAll(async () => {
    installPackage(FOLDER);
    server = await startTestServer(dataDir);
    const { url, apiKey, model } = server;
    const embed = async (input: readonly string[], fields: object): Promise<readonly (readonly number[])[]> => {
      const { body } = await call(url, apiKey, "/v1/embeddings", { model, input, ...fields });
      return (body["data"] as { embedding: number[] }[]).map(({ embedding }) => embedding);
    };
    const [query = []] = await embed([QUESTION], { input_type: "query" });
    const vectors = await embed(Object.values(TEXTS), {});
    for (const [index, id] of Object.keys(TEXTS).entries()) {
      scores.set(
        id,
        query.reduce((sum, value, place) => sum + value * (vectors[index]?.[place] ?? 0), 0),
      );
    }
  }, 600_000);
  afterAll(async () => {
    await server.stop();
    removeFolder(dataDir);
  });

  test.each(stores)("$name", async (snippet) => {
    const code = programOf(snippet, {}, { ...server, reranker: "" });
    const ended = await runProgram(snippet.name, "node", code, FOLDER);
    expect(ended.exitCode, ended.output).toBe(0);
    expect(ended.output).toContain("302 of 302 texts are embedded\n1 of 301 texts are embedded\n");
    const found = ended.result?.hits ?? [];
    expect(found.map(({ id }) => id)).toEqual(found.toSorted((a, b) => b.score - a.score).map(({ id }) => id));
    expect(found).toHaveLength(5);
    expect(found[0]?.id).toBe("password");
    for (const { id, score } of found) expect(Math.abs(score - (scores.get(id) ?? 0))).toBeLessThan(TOLERANCE);
  });
});
