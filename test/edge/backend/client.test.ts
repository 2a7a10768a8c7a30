import { describe, expect, it } from "vitest";
import { Backend } from "../../../edge/backend/backend.ts";
import { readReady } from "../../../edge/backend/client.ts";

const ORIGIN = "http://backend";

async function heardAfter(answer: () => Response): Promise<Backend> {
  const backend = new Backend("owner/model", ORIGIN);
  const fetch = () => Promise.resolve(answer());
  backend.heard(await readReady({ fetch, origin: ORIGIN, secret: "secret" }, 1000), 0);
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
