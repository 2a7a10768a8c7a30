// What a model's backend promises of its arithmetic is said to buyers.
import { expect, test } from "vitest";
import { Api } from "../support/api.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
api.backend.arithmetic = { reproducible: true, float32DistanceMax: 1e-5 };

test("a model says that its vectors are reproducible and how near to float32 they are, in the API and on its page", async () => {
  const { body } = await api.call(`/v1/models/${MODEL}`);
  expect(body).toMatchObject({ reproducible: true, float32_distance_max: 1e-5 });
  const { text } = await api.call(`/models/${MODEL}`, { headers: { accept: "text/html" } });
  expect(text).toContain("the same text, the same bits");
  expect(text).toContain("within 0.00001 of float32");
  expect(text).toContain("How near are the vectors to exact arithmetic?");
});
