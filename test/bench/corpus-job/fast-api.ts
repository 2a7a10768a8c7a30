// The routes of a corpus job, answered as fast as Node can: one vector for every text, a token a text. What a job itself
// takes is then seen. Prints its URL.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const DIMENSIONS = 256;
const REVISION = { "x-model-revision": "bench" };
const VECTOR = Buffer.from(new Float32Array(DIMENSIONS).fill(1 / 16).buffer).toString("base64");
const MODEL = {
  id: "bench/model",
  status: "live",
  context_length: 8192,
  native_dimensions: DIMENSIONS,
  prompts: { query: "", document: "", default: "" },
  revision: "bench",
  pricing: {
    price_nano_usd_per_million_tokens: 8_000_000,
    hit_price_nano_usd_per_million_tokens: 4_000_000,
    batch_price_nano_usd_per_million_tokens: 4_000_000,
    batch_hit_price_nano_usd_per_million_tokens: 2_000_000,
    minimum_charge_nano_usd: 0,
  },
};
const ACCOUNT = {
  spendable_nano_usd: 5_000_000_000,
  limits: { requests_per_minute: 1_000_000, tokens_per_minute: 1_000_000_000 },
};

const server = createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    const answer = (body: object, headers: Record<string, string> = {}): void => {
      response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
    };
    const path = request.url ?? "";
    if (path === "/v1/models") return answer({ data: [MODEL] });
    if (path === "/v1/account") return answer(ACCOUNT);
    const { input } = JSON.parse(Buffer.concat(pieces).toString()) as { input: readonly string[] };
    if (path === "/v1/tokenize") return answer({ data: input.map(() => ({ count: 1, fits: true })) }, REVISION);
    const data = input.map((_, index) => ({ index, embedding: VECTOR }));
    return answer({ data, usage: { prompt_tokens: input.length } }, { ...REVISION, "x-cost-usd": "0.000001" });
  });
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
