// The models that are served or announced.

import type { Operation } from "../../openapi/operation.ts";
import { pathId } from "../../openapi/parameters.ts";
import { listOf, modelSchema } from "../answers.ts";
import { MODEL_ANSWER } from "../examples.ts";

const one: Operation = {
  method: "get",
  path: "/v1/models/{owner}/{name}",
  id: "getModel",
  tag: "Models",
  summary: "One model",
  description: "`/v1/models/owner%2Fname` is the same.",
  auth: "optional",
  parameters: [pathId("owner", "The part before the slash."), pathId("name", "The part behind it.")],
  answers: { 200: { description: "The model.", name: "Model", schema: modelSchema, example: MODEL_ANSWER } },
  errors: ["model_not_found", "route_not_found"],
};

export const MODELS: readonly Operation[] = [
  {
    method: "get",
    path: "/v1/models",
    id: "listModels",
    tag: "Models",
    summary: "All models with prices, sizes and status",
    auth: "optional",
    answers: {
      200: {
        description: "OpenAI's list of models, and what a buyer needs beside it.",
        name: "Models",
        schema: listOf(modelSchema),
        example: { object: "list", data: [MODEL_ANSWER] },
      },
    },
    errors: [],
  },
  one,
  {
    ...one,
    path: "/v1/models/{name}",
    id: "getModelByName",
    summary: "One model by its bare name, or with an encoded slash",
    parameters: [pathId("name", "The bare name where it is unique, or `owner%2Fname`.")],
  },
];
