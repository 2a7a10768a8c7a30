// npm run probe against servers that serve, refuse, or are something else.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { main } from "../../scripts/probe/main.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

const VECTOR = { data: [{ embedding: [0.6, 0.8] }], model: "a/b", usage: { prompt_tokens: 3 } };
const MODELS = {
  data: [
    { id: "x/cold", status: "warming" },
    { id: "a/b", status: "live" },
  ],
};

/** Answers /v1/models and each embedding with the next of `answers`. Resolves to its URL and what it was sent. */
async function serve(...answers: readonly (readonly [status: number, body: object])[]) {
  const seen: { readonly authorization: string | undefined; readonly body: string }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const isModels = request.url === "/v1/models";
      if (!isModels) seen.push({ authorization: request.headers.authorization, body });
      const [status, answer] = isModels ? [200, MODELS] : (answers[seen.length - 1] ?? [500, {}]);
      response.writeHead(status, { "content-type": "application/json", "x-request-id": "req_1" });
      response.end(JSON.stringify(answer));
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

async function probe(args: readonly string[], turns = 1, key: string | undefined = "gr-key") {
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  const sleep = () => Promise.resolve();
  return {
    code: await main(args, { say, sleep, turns, environment: { GIGAROUTER_API_KEY: key } }),
    said: lines.join("\n"),
  };
}

describe("a probe", () => {
  test("of a service that embeds exits 0, with the first live model and the key of the environment", async () => {
    const { url, seen } = await serve([200, VECTOR]);
    const { code, said } = await probe(["--url", `${url}/`]);
    expect(code).toBe(0);
    expect(said).toMatch(/ ok {4}http:\/\/127\.0\.0\.1:\d+: served \(a\/b, \d+ ms, req_1\)$/);
    expect(seen[0]?.authorization).toBe("Bearer gr-key");
    expect(JSON.parse(seen[0]?.body ?? "")).toMatchObject({ model: "a/b" });
    expect(said).not.toContain("gr-key");
  });

  test("of one that refuses or answers something else exits 1 and says what", async () => {
    const refusing = await serve([503, { error: { code: "model_not_ready" } }]);
    const refused = await probe(["--url", refusing.url, "--model", "a/b"]);
    expect([refused.code, refused.said]).toEqual([1, expect.stringContaining("FAULT")]);
    expect(refused.said).toContain("503 model_not_ready (a/b");
    const other = await serve([200, { hello: 1 }]);
    expect((await probe(["--url", other.url])).said).toContain("an answer without a vector");
    servers.splice(0).forEach((server) => server.close());
    expect((await probe(["--url", other.url])).said).toContain("no live model is listed");
    expect((await probe(["--url", other.url, "--model", "a/b"])).said).toContain("no connection");
  });

  test("with --every goes on over failures, a line each, and ends with how the last one was", async () => {
    const { url } = await serve([200, VECTOR], [500, {}], [200, VECTOR]);
    const { code, said } = await probe(["--url", url, "--every", "60"], 3);
    expect(said.split("\n").map((line) => (line.includes("FAULT") ? "fault" : "ok"))).toEqual(["ok", "fault", "ok"]);
    expect(code).toBe(0);
  });

  test.each([
    [[], "--url is missing"],
    [["--url", "host"], "--url is host, not a URL"],
    [["--url", "http://x.test", "--every", "0"], "--every is 0"],
    [["--url", "http://x.test", "--evry", "1"], "--evry"],
  ])("with %j asks nobody and says how it is called", async (args, said) => {
    const result = await probe(args);
    expect(result.code).toBe(2);
    expect(result.said).toContain(said);
    expect(result.said).toContain("Usage: npm run probe");
    expect((await probe(["--url", "http://x.test"], 1, "")).said).toContain("GIGAROUTER_API_KEY is missing");
  });
});
