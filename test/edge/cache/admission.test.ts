import { describe, expect, it } from "vitest";
import {
  admissionInputs,
  dataCentrePays,
  gainPerHit,
  lookUpPays,
  tokensMin,
  writePays,
} from "../../../edge/cache/admission.ts";
import { KvRecord } from "../../../edge/cache/kv-record.ts";
import { Sightings } from "../../../edge/cache/sightings.ts";
import { DEFAULT_PRICES } from "../../../shared/catalog.ts";

const inputs = admissionInputs(DEFAULT_PRICES);

describe("the arithmetic", () => {
  it("counts a hit as the GPU's work saved, less the discount", () => {
    // 1,000 tokens at $8/1M... of nano-USD: 8,000 sold, 5,600 of GPU; as a hit 4,000 sold and none: 1,600 more.
    expect(gainPerHit(inputs, 1000)).toBeCloseTo(1600);
    // Without a discount all of the GPU's share is gained.
    expect(gainPerHit({ ...inputs, hitPriceNanoUsdPerMillion: 8_000_000 }, 1000)).toBeCloseTo(5600);
    // A discount larger than the GPU's share: every hit loses.
    expect(gainPerHit({ ...inputs, gpuShare: 0.4 }, 1000)).toBeLessThan(0);
  });

  it("draws these lines where hits are sold at full price: 45 % at 200 tokens, 22 % at 400, 6 % at 1,600", () => {
    const full = { ...inputs, hitPriceNanoUsdPerMillion: inputs.priceNanoUsdPerMillion };
    for (const [tokens, line] of [
      [200, 0.45],
      [400, 0.224],
      [1600, 0.056],
    ] as const) {
      expect(lookUpPays(full, tokens, line + 0.01)).toBe(true);
      expect(lookUpPays(full, tokens, line - 0.01)).toBe(false);
    }
  });

  it("lets no text below about 400 tokens near KV at half price, however often it hits", () => {
    expect(tokensMin(inputs)).toBeGreaterThan(300);
    expect(tokensMin(inputs)).toBeLessThan(400);
    expect(lookUpPays(inputs, tokensMin(inputs) - 1, 1)).toBe(false);
    expect(lookUpPays(inputs, tokensMin(inputs), 1)).toBe(true);
    expect(tokensMin({ ...inputs, gpuShare: 0.4 })).toBe(Number.POSITIVE_INFINITY);
  });

  it("writes what will be found often enough to pay for the write and its reads", () => {
    expect(writePays(inputs, 1600, 2.5)).toBe(true);
    expect(writePays(inputs, 1600, 2.3)).toBe(false);
    expect(writePays(inputs, 400, 30)).toBe(false);
  });
});

describe("the data centre's line", () => {
  it("is a share of hits, lower for longer texts, and never under two in a hundred", () => {
    expect(dataCentrePays(inputs, 100, 0.03)).toBe(true);
    expect(dataCentrePays(inputs, 100, 0.02)).toBe(false);
    expect(dataCentrePays(inputs, 10, 0.2)).toBe(false);
    expect(dataCentrePays(inputs, 10, 0.5)).toBe(true);
    expect(dataCentrePays(inputs, 10_000, 0.019)).toBe(false);
    expect(dataCentrePays({ ...inputs, gpuShare: 0.4 }, 10_000, 1)).toBe(false);
  });
});

describe("the record of an account", () => {
  it("starts from its prior, learns, and fades", () => {
    const record = new KvRecord();
    expect(record.hitRate).toBe(0.5);
    for (let look = 0; look < 5000; look += 1) record.looked(false);
    expect(record.hitRate).toBeLessThan(0.05);
    for (let look = 0; look < 1000; look += 1) record.looked(true);
    expect(record.hitRate).toBeGreaterThan(0.8);
  });
});

describe("sightings", () => {
  it("tell the first time from the second, until stored", () => {
    const sightings = new Sightings();
    const name = "0123456789abcdef".repeat(4);
    const state = () => ({ again: sightings.isAgain(name), stored: sightings.isStored(name) });
    sightings.note(name);
    expect(state()).toEqual({ again: false, stored: false });
    sightings.note(name);
    expect(state()).toEqual({ again: true, stored: false });
    sightings.stored(name);
    sightings.note(name);
    expect(state()).toEqual({ again: false, stored: true });
    // The newer one wins a slot.
    const sameSlot = `0123${"9".repeat(60)}`;
    sightings.note(sameSlot);
    sightings.note(name);
    expect(state()).toEqual({ again: false, stored: false });
  });
});
