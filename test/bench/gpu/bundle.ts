// npm run gpu:bundle -- [--out gpu-bundle.tar.xz] [--arch 90] [--without-node] [--unpacked FOLDER]
// check:gpu and bench:gpu for a machine without Node, npm and network: node, the scripts in one file each, the npm packages' bindings,
// the CUDA provider of .cuda reduced to one architecture, the demo model and the reference vectors. CUDA 13's libraries are not
// in it (0.7 GB): run.sh takes them from PyTorch's wheels or a CUDA toolkit on that machine. Needs npm run gpu:install, tar and xz.

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

import { bundleForNode } from "../../../gpu-backend/build.mjs";
import { CUDA_FOLDER, INSTALLED_FILE, PROVIDER_FILE, whyNotUsable } from "../../../gpu-backend/cuda/libraries.ts";
import { reduceProvider } from "./reduce-provider.ts";

const ROOT = join(import.meta.dirname, "../../..");
const ENTRIES = ["test/bench/gpu/check", "test/bench/gpu/main"];
const BINDING = "node_modules/onnxruntime-node/bin/napi-v6/linux/x64/onnxruntime_binding.node";
const COPIED = [
  "node_modules/onnxruntime-common",
  "node_modules/onnxruntime-node/package.json",
  "node_modules/onnxruntime-node/dist",
  BINDING,
  "node_modules/tokenizers/package.json",
  "node_modules/tokenizers/index.js",
  "node_modules/tokenizers/tokenizers.linux-x64-gnu.node",
  "gpu-backend/demo-model",
  "test/vectors/bfloat16-distances.json",
  "test/vectors/demo-reference.json",
  "test/vectors/checkpoints",
  "test/bench/gpu/torch_bfloat16.py",
  "test/bench/gpu/torch_peer.py",
];
/** Of Qwen3, and of the demo model and the layouts. */
const HEAD_DIMS = [32, 64, 128];

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "gpu-bundle.tar.xz" },
    arch: { type: "string", default: "90" },
    "without-node": { type: "boolean", default: false },
    /** Into this folder, which is not there yet, instead of an archive. */
    unpacked: { type: "string" },
  },
});
const reason = whyNotUsable(CUDA_FOLDER, { driver: false });
if (reason !== undefined) throw new Error(reason);
if (values.unpacked !== undefined && existsSync(values.unpacked))
  throw new Error(`${values.unpacked} is there already.`);
const folder = values.unpacked ?? mkdtempSync(join(tmpdir(), "gpu-bundle-"));
try {
  for (const path of COPIED) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(ROOT, path), join(folder, path), {
      recursive: true,
      filter: (file) => !/\.compiled|\.map$/.test(file),
    });
  }
  for (const entry of ENTRIES) {
    bundleForNode({
      entryPoints: [join(ROOT, `${entry}.ts`)],
      outfile: join(folder, `${entry}.mjs`),
      // Those that COPIED has.
      external: ["onnxruntime-node", "tokenizers"],
    });
  }
  if (!values["without-node"]) {
    cpSync(process.execPath, join(folder, "node"));
    chmodSync(join(folder, "node"), 0o755);
    // Its symbols are a fifth of it; where there is no strip it is larger.
    spawnSync("strip", [join(folder, "node")]);
  }
  mkdirSync(join(folder, ".cuda"));
  for (const name of ["libonnxruntime.so.1", "libonnxruntime_providers_shared.so", INSTALLED_FILE])
    cpSync(join(CUDA_FOLDER, name), join(folder, ".cuda", name));
  const provider = readFileSync(join(CUDA_FOLDER, PROVIDER_FILE));
  const { keptBytes } = reduceProvider(provider, Number(values.arch), HEAD_DIMS);
  if (keptBytes === 0) throw new Error(`The provider has no code for architecture ${values.arch}.`);
  writeFileSync(join(folder, ".cuda", PROVIDER_FILE), provider);
  cpSync(join(import.meta.dirname, "run-bundle.sh"), join(folder, "run.sh"));
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
  const kernels = `${mb(keptBytes)} of kernels for architecture ${values.arch}`;
  if (values.unpacked === undefined) pack();
  const what = values.unpacked ?? `${values.out}: ${mb(statSync(values.out).size)}`;
  process.stdout.write(`${what}; ${kernels}\n`);
} finally {
  if (values.unpacked === undefined) rmSync(folder, { recursive: true, force: true });
}

function pack(): void {
  const { status } = spawnSync("tar", ["-C", folder, "-cJf", values.out, "."], {
    stdio: "inherit",
    env: { ...process.env, XZ_DEFAULTS: "--x86 --lzma2=preset=6,dict=64MiB" },
  });
  if (status !== 0) throw new Error("tar failed: it and xz are needed");
}
