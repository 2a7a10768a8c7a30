// A model that was trained neither to follow instructions nor for vectors that can be cut.
import { expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

test("a model that takes no instruction, and was not trained for shorter vectors, refuses both before any work", async () => {
  const api = new Api();
  api.backend.prompts = { query: "find: ", document: "", plain: "", instruction: null };
  api.backend.matryoshka = false;
  const { key } = await api.newAccount();
  const page = await api.call(`/v1/models/${MODEL}`);
  const size = Object(page.body).native_dimensions;
  expect(page.body).toMatchObject({
    architecture: "bert",
    permitted_dimensions: { min: size, max: size },
    prompts: { instruction: null },
  });
  const refusal = async (body: object) =>
    (await api.call("/v1/embeddings", { key, body: { model: MODEL, input: "a", ...body } })).body;
  expect(await refusal({ instruction: "Find" })).toMatchObject({
    error: { code: "incompatible_options", param: "instruction" },
  });
  expect(await refusal({ dimensions: size - 1 })).toMatchObject({
    error: { code: "invalid_dimensions", param: "dimensions", message: expect.stringContaining(`must be ${size}`) },
  });
  expect(await refusal({ model: `${MODEL}@${size - 1}` })).toMatchObject({ error: { code: "invalid_dimensions" } });
  expect(api.backend.embeds).toHaveLength(0);
  expect((await api.call("/v1/embeddings", { key, body: { model: MODEL, input: "a", dimensions: size } })).status).toBe(
    200,
  );
});
