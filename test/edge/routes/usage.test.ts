// Usage in every form: /v1/usage as JSON and CSV, OpenAI's two routes. Figures are the ledger's, to the nano-dollar.
import { abortAllDurableObjects, env, runInDurableObject } from "cloudflare:test";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { csvOf } from "../../../edge/routes/usage/csv.ts";
import { TestIsolate, admissionOf, openAccount, settlement } from "../account/support.ts";
import type { TestAccount } from "../account/support.ts";
import type { ApiAnswer } from "../support/api.ts";
import { Api } from "../support/api.ts";
import { directoryTables } from "../support/directory-tables.ts";
import { MODEL } from "../support/fake-backends.ts";

const api = new Api();
const SECOND = "owner/second, with a comma";
let account: TestAccount;
let secondKey: string;
/** What the books say was charged: 61 + 39 + 7 tokens at 8 nano-USD. */
const CHARGED = (61 + 39 + 7) * 8;

beforeAll(async () => {
  account = await openAccount(1_000_000_000);
  const second = await account.stub.createKey(
    account.id,
    { name: "second", scopes: ["embeddings"], cache: "standard" },
    "test",
  );
  if (typeof second !== "object" || !("id" in second)) throw new Error("no key");
  secondKey = second.id;
  const isolate = new TestIsolate();
  admissionOf(await isolate.admit(account, 100)).settle(settlement(61));
  admissionOf(await isolate.admit(account, 100, { model: SECOND })).settle({ ...settlement(39), model: SECOND });
  admissionOf(await isolate.admit(account, 100, { tier: "batch" })).settle(settlement(7));
  admissionOf(await isolate.admit(account, 100)).release({ status: 504 });
  await isolate.report();
});

const get = (path: string) => api.call(path, { key: account.created.key });
const hourAgo = () => Math.floor(Date.now() / 1000) - 3600;
type Result = Record<string, unknown> & { amount?: { value: number; currency: string } };
const results = (answer: ApiAnswer) =>
  (answer.body["data"] as { results: Result[] }[]).flatMap((bucket) => bucket.results);
const sum = (list: Result[], field: string) => list.reduce((total, one) => total + Number(one[field]), 0);

// The first request of this file's Worker: nothing is in its memory yet.
test("an isolate that starts while the directory is down embeds and charges all the same", async () => {
  const { created, stub } = await openAccount(1_000_000);
  await directoryTables();
  const prepare = vi.spyOn(env.DIRECTORY, "prepare").mockImplementation(() => {
    throw new Error("down");
  });
  const call = { key: created.key, body: { model: MODEL, input: "hello" } };
  expect((await api.call("/v1/embeddings", call)).status).toBe(200);
  expect(prepare).toHaveBeenCalledOnce();
  expect((await api.call("/v1/models")).status).toBe(200);
  expect(prepare).toHaveBeenCalledOnce();
  expect((await api.call("/v1/account", { key: created.key })).body["spent_this_month_nano_usd"]).toBe(48);
  expect((await stub.getAccount())?.chargedNanoUsd).toBe(48);
});

describe("GET /v1/usage", () => {
  test.each(["1m", "1h", "1d", "1mo"])(
    "in buckets of %s adds up to the ledger, however it is grouped",
    async (width) => {
      const start = `start_time=${hourAgo()}&limit=1440&bucket_width=${width}`;
      const charged = (await account.stub.getAccount())?.chargedNanoUsd;
      expect(charged).toBe(CHARGED);
      for (const group of [
        "",
        "&group_by=model",
        "&group_by=key,tier",
        "&group_by[]=model&group_by[]=tier&group_by[]=key",
      ]) {
        const found = results(await get(`/v1/usage?${start}${group}`));
        expect(sum(found, "cost_nano_usd")).toBe(charged);
        expect(sum(found, "input_tokens")).toBe(107);
        expect(sum(found, "requests")).toBe(3); // one of the four failed
      }
    },
  );

  test("pages by its cursor without losing or doubling a bucket", async () => {
    const query = `bucket_width=1m&start_time=${hourAgo()}&limit=7`;
    const seen: Result[] = [];
    const starts: number[] = [];
    let page = "";
    for (let pages = 0; pages < 20; pages += 1) {
      const answer = await get(`/v1/usage?${query}${page}`);
      seen.push(...results(answer));
      starts.push(...(answer.body["data"] as { start_time: number }[]).map((bucket) => bucket.start_time));
      if (answer.body["has_more"] !== true) break;
      page = `&page=${String(answer.body["next_page"])}`;
    }
    expect(sum(seen, "cost_nano_usd")).toBe(CHARGED);
    expect(new Set(starts).size).toBe(starts.length);
    expect(starts.length).toBeGreaterThanOrEqual(60);
  });

  test("ends a page early where its groups are too many for one answer, and loses none", async () => {
    const busy = await openAccount(1000);
    const minute = Math.floor(Date.now() / 60_000) - 130;
    await runInDurableObject(busy.stub, (_object, state) => {
      const models = Array.from({ length: 100 }, (_, index) => `owner/model-${index}`);
      const cells = Array.from({ length: 120 }, (_, at) =>
        models.map((_model, index) => [minute + at, 0, index, 0, 1, 1, 0, 0, 0, 0, 0, []]),
      ).flat();
      state.storage.sql.exec(
        "INSERT INTO segments (level, start_ms, end_ms, body) VALUES (0, ?, ?, ?)",
        minute * 60_000,
        (minute + 120) * 60_000,
        JSON.stringify({ keys: [busy.created.id], models, cells }),
      );
    });
    const path = `/v1/usage?bucket_width=1m&group_by=model&limit=1440&start_time=${minute * 60}`;
    const first = await api.call(path, { key: busy.created.key });
    expect(first.body).toMatchObject({ has_more: true, next_page: String((minute + 100) * 60_000) });
    const second = await api.call(`${path}&page=${String(first.body["next_page"])}`, { key: busy.created.key });
    expect([results(first).length, results(second).length]).toEqual([10_000, 2000]);
  });

  test("as CSV has the same rows, quoted, with the next page as a link", async () => {
    const answer = await get("/v1/usage?format=csv&group_by=model&bucket_width=1d");
    expect(answer.headers.get("content-type")).toContain("text/csv");
    const lines = answer.text.split("\r\n");
    expect(lines[0]).toMatch(/^start_time,end_time,model,key_id,tier,requests,input_tokens,/);
    expect(lines.at(-1)).toBe("");
    expect(lines.filter((line) => line.includes(`"${SECOND}",,,1,39,0,312,0,`))).toHaveLength(1);
    const paged = await get(`/v1/usage?format=csv&bucket_width=1m&limit=5&start_time=${hourAgo()}`);
    const next = /^<(.*)>; rel="next"$/.exec(paged.headers.get("link") ?? "")?.[1] ?? "";
    expect(next).toContain("format=csv");
    expect((await get(next)).status).toBe(200);
  });

  test("as CSV is the whole period, however many pages of buckets it has", async () => {
    const { created, stub } = await openAccount(1_000_000);
    const nowS = Math.floor(Date.now() / 1000);
    // Set up three weeks ago: as an account that has grown old.
    await runInDurableObject(stub, (_object, state) => {
      const [row] = state.storage.sql.exec<{ body: string }>("SELECT body FROM hot").toArray();
      const hot = { ...JSON.parse(row?.body ?? "{}"), createdAtMs: (nowS - 21 * 86_400) * 1000 };
      state.storage.sql.exec("UPDATE hot SET body = ?", JSON.stringify(hot));
    });
    await abortAllDurableObjects();
    for (const input of ["one", "two words"]) {
      await api.call("/v1/embeddings", { key: created.key, body: { model: MODEL, input } });
    }
    const path = `/v1/usage?format=csv&bucket_width=1m&group_by=model&start_time=${nowS - 400 * 86_400}`;
    const answer = await api.call(path, { key: created.key });
    expect(answer.headers.get("link")).toBeNull();
    const [names, ...rows] = answer.text.trimEnd().split("\r\n");
    const at = names?.split(",").indexOf("requests") ?? -1;
    expect(rows.reduce((total, row) => total + Number(row.split(",")[at]), 0)).toBe(2);
  });

  test("names what is wrong with a query", async () => {
    for (const [query, param] of [
      ["bucket_width=2h", "bucket_width"],
      ["group_by=colour", "group_by"],
      ["limit=0", "limit"],
      ["start_time=soon", "start_time"],
      ["start_time=5&end_time=5", "start_time"],
      ["format=xml", "format"],
      ["page=x", "page"],
    ]) {
      expect(await get(`/v1/usage?${query}`)).toMatchObject({ status: 400, body: { error: { param } } });
    }
  });
});

test("a CSV cell that a spreadsheet would run is text", () => {
  const table = csvOf(["a"], [["=1+1"], ["+x"], ["-x"], ["@x"], ["\tx"], ['say "hi"'], ["two\nlines"], [null], [-5]]);
  expect(table).toBe(`a\r\n'=1+1\r\n'+x\r\n'-x\r\n'@x\r\n'\tx\r\n"say ""hi"""\r\n"two\nlines"\r\n\r\n-5\r\n`);
});

describe("OpenAI's usage of embeddings", () => {
  const path = () => `/v1/organization/usage/embeddings?start_time=${hourAgo() - 86_400}`;

  test("has OpenAI's fields and no others", async () => {
    const answer = await get(path());
    expect(Object.keys(answer.body).toSorted()).toEqual(["data", "has_more", "next_page", "object"]);
    expect(results(answer)).toEqual([
      {
        object: "organization.usage.embeddings.result",
        input_tokens: 107,
        num_model_requests: 3,
        project_id: null,
        user_id: null,
        api_key_id: null,
        model: null,
      },
    ]);
  });

  test("is filtered by model and key, and finds nothing for a project", async () => {
    const tokens = async (query: string) => sum(results(await get(path() + query)), "input_tokens");
    expect(await tokens("&models=owner/model")).toBe(68);
    expect(await tokens(`&api_key_ids[]=${account.created.id}&group_by=api_key_id`)).toBe(107);
    expect(await tokens(`&api_key_ids=${secondKey}`)).toBe(0);
    expect(await tokens("&project_ids=proj_1")).toBe(0);
    expect(await tokens("&user_ids=user_1")).toBe(0);
  });

  test("keeps OpenAI's limits, and wants a start", async () => {
    expect((await get(`${path()}&bucket_width=1d&limit=32`)).status).toBe(400);
    expect((await get(`${path()}&bucket_width=1h&limit=168`)).status).toBe(200);
    expect((await get(`${path()}&bucket_width=1mo`)).status).toBe(400);
    expect(await get("/v1/organization/usage/embeddings")).toMatchObject({
      status: 400,
      body: { error: { code: "missing_field", param: "start_time" } },
    });
  });
});

describe("OpenAI's costs", () => {
  const path = () => `/v1/organization/costs?start_time=${hourAgo() - 86_400}`;

  test("add up to the ledger to the nano-dollar, also by line item and key", async () => {
    for (const group of ["", "&group_by=line_item", "&group_by[]=line_item&group_by[]=api_key_id"]) {
      const found = results(await get(path() + group));
      const nano = found.reduce((total, one) => total + Math.round((one.amount?.value ?? 0) * 1e9), 0);
      expect(nano).toBe(CHARGED);
      expect(new Set(found.map((one) => one.amount?.currency))).toEqual(new Set(["usd"]));
    }
  });

  test("name the model as line item, with its tokens as quantity", async () => {
    const found = results(await get(`${path()}&group_by=line_item`));
    expect(found.map(({ line_item, quantity }) => [line_item, quantity]).toSorted()).toEqual([
      ["owner/model, input", 68],
      [`${SECOND}, input`, 39],
    ]);
  });

  test("come by the day alone", async () => {
    expect((await get(`${path()}&bucket_width=1h`)).status).toBe(400);
  });
});

describe("who may read", () => {
  const paths = ["/v1/usage", "/v1/organization/costs?start_time=1", "/v1/organization/usage/embeddings?start_time=1"];

  test("a key without usage:read may not, nobody without a key", async () => {
    const created = await account.stub.createKey(
      account.id,
      { name: "no", scopes: ["embeddings"], cache: "standard" },
      "test",
    );
    if (typeof created !== "object" || !("key" in created)) throw new Error("no key");
    for (const path of paths) {
      expect((await api.call(path, { key: created.key })).status).toBe(403);
      expect((await api.call(path)).status).toBe(401);
    }
  });

  test("another account sees nothing of it, also when it names the other's key", async () => {
    const other = await openAccount(1000);
    for (const path of paths) {
      const filter = path.includes("embeddings") ? `&api_key_ids=${account.created.id}` : "";
      expect(results(await api.call(path + filter, { key: other.created.key }))).toEqual([]);
    }
  });
});
