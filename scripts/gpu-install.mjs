// npm run gpu:install -- [--dir DIR] [--check] [--keep-wheels]
// Fetches ONNX Runtime's CUDA provider and the CUDA libraries it needs from PyPI (0.8 GB, 1.1 GB unpacked) into .cuda, or
// checks what is there. Asks the index that pip is configured for. What an interrupted run has fetched is kept.
import { ensureTypeScript } from "./install.mjs";
import { progressBar } from "./progress-bar.mjs";

await ensureTypeScript();
const { main } = await import("./gpu-install/main.ts");
process.exitCode = await main(process.argv.slice(2), progressBar());
