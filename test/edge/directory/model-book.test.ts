// Prices in an isolate's memory, on a clock that the test moves: fresh within a minute, and never in a request's way.
import { expect, test } from "vitest";
import { ModelBook, REFRESH_AFTER_MS, RETRY_MS, STALE_MS } from "../../../edge/directory/model-book.ts";
import type { ModelSettings } from "../../../edge/directory/model-settings.ts";
import { CATALOG, DEFAULT_PRICES, DEMO_MODEL_ID } from "../../../shared/catalog.ts";

/** A book whose directory holds one price; loads answer when the test says so. */
class Fixture {
  nowMs = 1_000_000;
  price = 1;
  loads: { answer: () => void; fail: () => void }[] = [];
  background: Promise<unknown>[] = [];
  slowed: (() => void)[] = [];
  readonly book = new ModelBook({
    base: CATALOG,
    now: () => this.nowMs,
    load: () =>
      new Promise<readonly ModelSettings[]>((resolve, reject) => {
        const settings = this.settings();
        this.loads.push({ answer: () => resolve(settings), fail: () => reject(new Error("down")) });
      }),
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        this.slowed.push(resolve);
        signal.addEventListener("abort", resolve);
      }),
  });

  get shown(): number | undefined {
    return this.book.models.find((model) => model.id === DEMO_MODEL_ID)?.prices.priceNanoUsdPerMillion;
  }

  settings(): readonly ModelSettings[] {
    const prices = { ...DEFAULT_PRICES, priceNanoUsdPerMillion: this.price };
    return [{ id: DEMO_MODEL_ID, prices, operatorStatus: "live" }];
  }

  async request(): Promise<void> {
    await this.book.keepFresh((work) => this.background.push(work));
  }

  /** A request that finds what it waits for. */
  async loaded(): Promise<void> {
    const request = this.request();
    this.loads.at(-1)?.answer();
    await request;
    await Promise.all(this.background);
  }
}

test("the first request of an isolate waits for the operator's prices", async () => {
  const fixture = new Fixture();
  let done = false;
  const request = fixture.request().then(() => (done = true));
  await Promise.resolve();
  expect([done, fixture.loads.length]).toEqual([false, 1]);
  fixture.loads[0]?.answer();
  await request;
  expect(fixture.shown).toBe(1);
});

test("requests within the refresh time load nothing", async () => {
  const fixture = new Fixture();
  await fixture.loaded();
  for (let index = 0; index < 50; index += 1) {
    fixture.nowMs += (REFRESH_AFTER_MS - 1) / 50;
    await fixture.request();
  }
  expect(fixture.loads).toHaveLength(1);
});

test("an older price is served while one refresh for all runs behind the requests", async () => {
  const fixture = new Fixture();
  await fixture.loaded();
  fixture.price = 2;
  fixture.nowMs += REFRESH_AFTER_MS;
  await Promise.all([fixture.request(), fixture.request(), fixture.request()]);
  expect([fixture.shown, fixture.loads.length]).toEqual([1, 2]);
  fixture.loads[1]?.answer();
  await Promise.all(fixture.background);
  expect(fixture.shown).toBe(2);
});

test("no request begins with a price older than a minute, also in an isolate that slept", async () => {
  expect(STALE_MS).toBeLessThan(60_000);
  const fixture = new Fixture();
  await fixture.loaded();
  fixture.price = 2;
  fixture.nowMs += 3_600_000;
  await fixture.loaded();
  expect(fixture.shown).toBe(2);
});

test("a price does not change under a request that has taken its model", async () => {
  const fixture = new Fixture();
  await fixture.loaded();
  const taken = fixture.book.models.find((model) => model.id === DEMO_MODEL_ID);
  fixture.price = 2;
  fixture.nowMs += 3_600_000;
  await fixture.loaded();
  expect(taken?.prices.priceNanoUsdPerMillion).toBe(1);
});

test("while the directory is down the known prices stay, one request waits at most, and the next try comes later", async () => {
  const fixture = new Fixture();
  await fixture.loaded();
  fixture.nowMs += STALE_MS;
  const first = fixture.request();
  fixture.loads[1]?.fail();
  await first;
  await fixture.request();
  expect([fixture.shown, fixture.loads.length]).toEqual([1, 2]);
  fixture.nowMs += RETRY_MS;
  await fixture.request();
  expect(fixture.loads).toHaveLength(3);
  fixture.price = 2;
  fixture.nowMs += RETRY_MS;
  const again = fixture.request();
  fixture.loads[3]?.answer();
  await again;
  await fixture.background.at(-1);
  expect(fixture.shown).toBe(2);
});

test("a directory that hangs is waited for once, for a second", async () => {
  const fixture = new Fixture();
  const first = fixture.request();
  fixture.slowed[0]?.();
  await first;
  await fixture.request();
  expect(fixture.shown).toBe(DEFAULT_PRICES.priceNanoUsdPerMillion);
  expect(fixture.slowed).toHaveLength(1);
});

test("a load that was overtaken by a newer one changes nothing", async () => {
  const fixture = new Fixture();
  await fixture.loaded();
  fixture.nowMs += REFRESH_AFTER_MS;
  await fixture.request();
  fixture.nowMs += RETRY_MS;
  fixture.price = 3;
  await fixture.request();
  fixture.loads[2]?.answer();
  await fixture.background.at(-1);
  fixture.loads[1]?.answer();
  await Promise.all(fixture.background);
  expect(fixture.shown).toBe(3);
});
