import { describe, expect, it } from "vitest";
import { Backend } from "../../../edge/backend/backend.ts";
import { readReady } from "../../../edge/backend/client.ts";

const ORIGIN = "http://backend";

const REPORT = {
  status: "ready",
  revision: "0123456789abcdef",
  dimensions: 8,
  contextTokens: 512,
  vocabularySize: 100,
  endTokenId: 1,
  pooling: "mean",
  load: { queueSeconds: 0 },
  tokensPerSecond: null,
};

async function heardAfter(answer: () => Response): Promise<Backend> {
  const backend = new Backend("owner/model", ORIGIN);
  const fetch = () => Promise.resolve(answer());
  backend.heard(await readReady({ fetch, origin: ORIGIN, secret: "secret", model: "owner/model" }, 1000), 0);
  return backend;
}

function refusal(code: string): Response {
  const error = { code, message: "The model is being prepared.", index: null, facts: {}, retryAfterS: 2 };
  return Response.json({ error }, { status: 503 });
}

describe("reading /ready", () => {
  it("takes a backend that has not compiled its checkpoint yet for warming, not for down", async () => {
    const backend = await heardAfter(() => refusal("model_not_ready"));
    expect(backend.health).toBe("warming");
    expect(backend.serves(undefined, "account", 0)).toBe(false);
    expect(backend.ready).toBeUndefined();
  });

  it("asks for its own model, whatever characters its name has", async () => {
    const asked: string[] = [];
    const fetch = (url: string) => {
      asked.push(url);
      return Promise.resolve(refusal("model_not_ready"));
    };
    await readReady({ fetch, origin: ORIGIN, secret: "secret", model: "owner/m&1" }, 1000);
    expect(asked).toEqual([`${ORIGIN}/ready?model=owner%2Fm%261`]);
  });

  it("takes one that does not serve the model, or answers for another one, for down, and says so", async () => {
    const other = { ...REPORT, model: "owner/other" };
    for (const answer of [() => refusal("model_not_found"), () => Response.json(other)]) {
      const backend = await heardAfter(answer);
      expect([backend.health, backend.reason]).toEqual(["down", "does not serve this model"]);
    }
    expect((await heardAfter(() => Response.json({ ...other, model: "owner/model" }))).health).toBe("ready");
  });

  it("takes any other answer for down: another refusal, a proxy's page, a report that does not fit", async () => {
    for (const answer of [
      () => refusal("overloaded"),
      () => new Response("<html>502</html>", { status: 502 }),
      () => Response.json({ status: "ready" }),
    ]) {
      expect((await heardAfter(answer)).health).toBe("down");
    }
  });
});
