import { readFileSync } from "node:fs";

import { expect, it } from "vitest";

import { integerProductsAreExact } from "../../../gpu-backend/engine/integer-products.ts";

/** What multiplies u8 by s8 into 32 bits at once; other processors saturate or do not, and are asked. */
const EXACT = /\b(?:avx512_vnni|avx_vnni|amx_int8)\b/;

it.runIf(process.arch === "x64" && process.platform === "linux")(
  "the self-test agrees with what the processor says",
  async () => {
    const exact = await integerProductsAreExact(2);
    if (EXACT.test(readFileSync("/proc/cpuinfo", "utf8"))) expect(exact).toBe(true);
    expect(exact).toBeTypeOf("boolean");
  },
);
