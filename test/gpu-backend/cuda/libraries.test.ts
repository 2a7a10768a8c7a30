// Where a process finds the CUDA provider, and what is said when it would not. The libraries are empty ones, linked to each
// other as the real ones are, where there is a compiler.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { cardInUse, parseCards } from "../../../gpu-backend/cuda/cards.ts";
import { cudaEnvironment, INSTALLED_FILE, PROVIDER_FILE, whyNotUsable } from "../../../gpu-backend/cuda/libraries.ts";
import { ONNXRUNTIME_VERSION } from "../../../gpu-backend/cuda/wheels.ts";

const canLink = process.platform === "linux" && process.arch === "x64" && spawnSync("cc", ["--version"]).status === 0;

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "cuda-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** An empty library that needs others. */
function link(name: string, needs: readonly string[] = []): void {
  const source = join(folder, "empty.c");
  writeFileSync(source, "");
  const others = needs.map((other) => join(folder, other));
  const args = ["-shared", "-o", join(folder, name), source, `-Wl,-soname,${name},--no-as-needed`, ...others];
  const { status, stderr } = spawnSync("cc", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

function declare(onnxruntime = ONNXRUNTIME_VERSION): void {
  writeFileSync(join(folder, INSTALLED_FILE), JSON.stringify({ onnxruntime, wheels: [] }));
}

describe("an environment for CUDA", () => {
  test("has the folder before what was there, and one card where one is asked for", () => {
    const environment = { PATH: "/bin", LD_LIBRARY_PATH: "/old" };
    expect(cudaEnvironment({ folder: "/cuda" }, environment)).toEqual({ PATH: "/bin", LD_LIBRARY_PATH: "/cuda:/old" });
    expect(cudaEnvironment({ folder: "/cuda", card: 1 }, {})).toEqual({
      LD_LIBRARY_PATH: "/cuda",
      CUDA_DEVICE_ORDER: "PCI_BUS_ID",
      CUDA_VISIBLE_DEVICES: "1",
    });
  });
});

describe.runIf(process.platform === "linux" && process.arch === "x64")("a folder of libraries", () => {
  test("that is none is named, with the command that makes one", () => {
    expect(whyNotUsable(folder, { driver: false })).toMatch(/CUDA provider is not in .*: npm run gpu:install/);
    declare("1.0.0");
    expect(whyNotUsable(folder, { driver: false })).toMatch(/of ONNX Runtime 1\.0\.0, and this is /);
  });

  test.runIf(canLink)("is held against the dynamic linker: what is missing is named, and so is the driver", () => {
    for (const name of ["libcublas.so.13", "libcurand.so.10", "libcuda.so.1"]) link(name);
    link(PROVIDER_FILE, ["libcublas.so.13", "libcurand.so.10", "libcuda.so.1"]);
    declare();
    expect(whyNotUsable(folder, { driver: true, environment: {} })).toBeUndefined();
    rmSync(join(folder, "libcuda.so.1"));
    expect(whyNotUsable(folder, { driver: false, environment: {} })).toBeUndefined();
    expect(whyNotUsable(folder, { driver: true, environment: {} })).toMatch(/libcuda\.so\.1 is missing.*driver, 580/);
    rmSync(join(folder, "libcublas.so.13"));
    rmSync(join(folder, "libcurand.so.10"));
    expect(whyNotUsable(folder, { driver: true, environment: {} })).toMatch(
      /lacks libcublas\.so\.13, libcurand\.so\.10:/,
    );
  });
});

describe("the cards", () => {
  const CSV = `0, NVIDIA H200, 580.65.06, 143771, 143000, 9.0\n1, NVIDIA L4, 580.65.06, 23034, [N/A], 8.9\n`;

  test("are read from nvidia-smi's lines; what one does not say is unknown", () => {
    const cards = parseCards(CSV);
    expect(cards).toMatchObject([
      { index: 0, name: "NVIDIA H200", driver: "580.65.06", freeBytes: 143_000 * 1024 ** 2, computeCapability: "9.0" },
      { index: 1, memoryBytes: 23_034 * 1024 ** 2, freeBytes: undefined },
    ]);
    expect(parseCards("No devices were found\n")).toEqual([]);
  });

  test("in use is the one asked for, the first that the process may see, or the first", () => {
    const cards = parseCards(CSV);
    expect(cardInUse(cards, 1, {})?.name).toBe("NVIDIA L4");
    expect(cardInUse(cards, undefined, { CUDA_VISIBLE_DEVICES: "1,0" })?.name).toBe("NVIDIA L4");
    expect(cardInUse(cards, undefined, {})?.name).toBe("NVIDIA H200");
    expect(cardInUse(cards, 7, {})).toBeUndefined();
  });
});
