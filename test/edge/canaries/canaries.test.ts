// GET /v1/models/…/canaries through the whole Worker: what is published, once for each revision, and what is not.

import { createExecutionContext, createScheduledController, env, waitOnExecutionContext } from "cloudflare:test";
import worker from "../../../edge/worker.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CANARIES } from "../../../shared/canaries.ts";
import { hex, sha256 } from "../../../shared/hmac.ts";
import { DIMENSIONS, MODEL, REVISION_1, REVISION_2, vectorOf } from "../support/fake-backends.ts";
import { forgetServices } from "../../../edge/services.ts";
import { directoryTables } from "../support/directory-tables.ts";
import { Api } from "../support/api.ts";

const PATH = `/v1/models/${MODEL}/canaries`;
const api = new Api();
const { backend } = api;
const lines: Record<string, unknown>[] = [];

beforeEach(async () => {
  forgetServices();
  lines.length = 0;
  vi.spyOn(console, "error").mockImplementation((text: string) => {
    lines.push(JSON.parse(text) as Record<string, unknown>);
  });
  await directoryTables();
  await env.DIRECTORY.prepare("DELETE FROM canaries").run();
  backend.revision = REVISION_1;
  backend.arithmetic = { reproducible: true, float32DistanceMax: 1e-5 };
  backend.behaviour = { kind: "well" };
  backend.vectorOf = vectorOf;
  backend.embeds.length = 0;
});
afterEach(() => {
  vi.restoreAllMocks();
  backend.reranker = undefined;
});

interface Published {
  readonly chain: readonly { readonly entry: string; readonly kid: string; readonly signature: string }[];
  readonly revisions: readonly { readonly revision: string; readonly vectors: string }[];
}
interface Vectors {
  readonly items: readonly { readonly input: string; readonly input_type: string; readonly embedding: string }[];
}

async function canaries(): Promise<Published> {
  const answer = await api.call(PATH);
  expect(answer.status).toBe(200);
  return answer.body as unknown as Published;
}

describe("canaries", () => {
  test("are what /v1/embeddings answers, published once, in a chain of the revisions", async () => {
    const first = await canaries();
    const asked = backend.embeds.length;
    expect(await canaries()).toEqual(first);
    forgetServices();
    expect(await canaries()).toEqual(first);
    expect(backend.embeds.length).toBe(asked);

    const [served] = first.revisions;
    expect(served?.revision).toBe(REVISION_1);
    const vectors = JSON.parse(served?.vectors ?? "") as Vectors;
    expect(vectors).toMatchObject({ version: 1, dimensions: DIMENSIONS, reproducible: true, distance_max: 4e-5 });
    expect(vectors.items).toMatchObject(CANARIES);
    const { key } = await api.newAccount();
    for (const type of ["document", "query"]) {
      const own = vectors.items.filter(({ input_type: one }) => one === type);
      const body = {
        model: MODEL,
        input: own.map(({ input }) => input),
        input_type: type,
        encoding_format: "base64",
        truncate: "end",
      };
      const { data } = (await api.call("/v1/embeddings", { key, body })).body as { data: { embedding: string }[] };
      expect(data.map(({ embedding }) => embedding)).toEqual(own.map(({ embedding }) => embedding));
    }

    backend.revision = REVISION_2;
    forgetServices();
    const second = await canaries();
    expect(second.revisions.map(({ revision }) => revision)).toEqual([REVISION_2]);
    expect(second.chain).toHaveLength(2);
    expect(second.chain[0]).toEqual(first.chain[0]);
    const entries = second.chain.map(({ entry }) => JSON.parse(entry) as Record<string, unknown>);
    expect(entries[0]).toMatchObject({ model: MODEL, index: 0, previous: null, revision: REVISION_1 });
    expect(entries[1]).toMatchObject({
      index: 1,
      previous: hex(await sha256(second.chain[0]?.entry ?? "")),
      revision: REVISION_2,
      vectors_sha256: hex(await sha256(second.revisions[0]?.vectors ?? "")),
    });
  });

  test("are asked for at once by many and published once", async () => {
    await Promise.all([1, 2, 3, 4].map(() => canaries()));
    expect((await canaries()).chain).toHaveLength(1);
  });

  test("are published by the cron, before anybody asks", async () => {
    const context = createExecutionContext();
    const BACKENDS = JSON.stringify([{ model: MODEL, origin: backend.origin }]);
    worker.scheduled(createScheduledController(), { ...env, BACKENDS }, context);
    await waitOnExecutionContext(context);
    const asked = backend.embeds.length;
    expect(asked).toBeGreaterThan(0);
    expect((await canaries()).chain).toHaveLength(1);
    expect(backend.embeds.length).toBe(asked);
  });

  test("promise nothing where the backend promises nothing", async () => {
    backend.arithmetic = undefined;
    const { revisions } = await canaries();
    expect(JSON.parse(revisions[0]?.vectors ?? "")).toMatchObject({ reproducible: null, distance_max: null });
  });

  test("are not published by a backend that fails, nor by one that computes a text alone to other bits", async () => {
    backend.behaviour = { kind: "answers", status: 200, body: "garbage" };
    expect(await canaries()).toMatchObject({ chain: [], revisions: [] });
    expect(lines.at(-1)).toMatchObject({ event: "canaries_unpublished", model: MODEL });

    forgetServices();
    backend.behaviour = { kind: "well" };
    backend.vectorOf = (text, revision, among) => vectorOf(among === 1 ? `${text}.` : text, revision);
    expect(await canaries()).toMatchObject({ chain: [] });
    expect(String(lines.at(-1)?.["error"])).toContain("other bits alone");

    // The same isolate does not ask the backend for every caller.
    const asked = backend.embeds.length;
    await canaries();
    expect(backend.embeds.length).toBe(asked);
  });

  test("are none of a reranker, of an unknown model, or of a deployment that signs nothing", async () => {
    const unknown = await api.call("/v1/models/owner/modle/canaries");
    expect([unknown.status, unknown.text.includes(`Did you mean \`${MODEL}\``)]).toEqual([404, true]);
    backend.reranker = { instruction: null, templateTokens: 1, queryTokensMax: 10 };
    forgetServices();
    const reranker = await api.call(PATH);
    expect([reranker.status, reranker.body["error"]]).toMatchObject([400, { code: "incompatible_options" }]);
    backend.reranker = undefined;
    forgetServices();
    const unsigned = await new Api({ SIGNING_KEY: "" }).call(PATH);
    expect(unsigned.status).toBe(404);
    expect(unsigned.text).toContain("signs nothing");
    forgetServices();
  });

  test("have the bare name and the encoded slash as paths too", async () => {
    const published = await canaries();
    for (const name of ["model", "owner%2Fmodel"]) {
      expect((await api.call(`/v1/models/${name}/canaries`)).body).toMatchObject(published);
    }
  });
});
