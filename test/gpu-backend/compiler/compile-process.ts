// Compiles a checkpoint in a process of its own, for places.test.ts: `compile-process.ts DIR CACHE`. Says what came of it as JSON.

import { compileSoundly } from "../../../gpu-backend/compiler/compile.ts";

const [dir = "", cacheDir = ""] = process.argv.slice(2);
const steps: string[] = [];
const onProgress = (_: number, what: string): void => void steps.push(what);
try {
  const { graphPath } = await compileSoundly(dir, { target: "cpu", precision: "exact", cacheDir, onProgress });
  process.stdout.write(JSON.stringify({ graphPath, steps }));
} catch (error) {
  process.stdout.write(JSON.stringify({ failure: String(error), steps }));
}
