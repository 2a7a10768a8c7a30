#!/usr/bin/env bash
# On the machine with the card, in the unpacked bundle (docs/gpu.md):   bash run.sh OUT [check|bench [ARGUMENT …]]
# Vectors, then figures, into the folder OUT; with a word only that one, with its own arguments.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?a folder for the results}
mkdir -p "$out"
what=${2:-all}
shift $(($# < 2 ? $# : 2))
# ONNX Runtime itself, for the CPU references too; CUDA 13's libraries, as PyTorch's wheels bring them or a toolkit has them.
found=$(python3 - <<'PY' 2>/dev/null
import glob, os, site, sys
roots = {os.path.join(place, "nvidia") for place in sys.path + site.getsitepackages() if place}
print(":".join(sorted({os.path.dirname(file) for root in roots for file in glob.glob(root + "/*/lib/lib*.so*")})))
PY
)
export CUDA_FOLDER=$here/.cuda LD_LIBRARY_PATH=$here/.cuda:$found:${LD_LIBRARY_PATH:-}:/usr/local/cuda/lib64:/usr/local/nvidia/lib64
nvidia-smi -q > "$out/nvidia-smi.txt" 2>&1
node=$here/node
[ -x "$node" ] || node=node
code=0
if [ "$what" != bench ]; then "$node" "$here/test/bench/gpu/check.mjs" --out "$out/check-gpu.json" "$@" || code=1; fi
if [ "$what" != check ]; then "$node" "$here/test/bench/gpu/main.mjs" --out "$out/bench-gpu.jsonl" "$@" || code=1; fi
exit $code
