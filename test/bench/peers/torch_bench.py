"""The same shape and mixes in PyTorch bfloat16 (transformers' Qwen3Model, sdpa), for comparison with engine-bench.ts.

  pip install torch transformers
  node --import tsx test/bench/gpu/print-mixes.ts > /tmp/mixes.json
  python test/bench/peers/torch_bench.py /tmp/mixes.json [threads] [rounds] [mix,mix]
"""

import json
import statistics
import sys
import time

import torch
from transformers import Qwen3Config, Qwen3Model

MIXES = json.load(open(sys.argv[1]))
THREADS = int(sys.argv[2]) if len(sys.argv) > 2 else 2
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 3
WANTED = sys.argv[4].split(",") if len(sys.argv) > 4 else [name for name in MIXES if not name.startswith("long")]
# Sorted texts in batches of 16: what keeps padding low without packing.
BATCH = 16

torch.set_num_threads(THREADS)
torch.set_default_dtype(torch.bfloat16)
config = Qwen3Config(
    vocab_size=151936, hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16, num_key_value_heads=8,
    head_dim=128, rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}, attn_implementation="sdpa",
)
model = Qwen3Model(config).eval()
generator = torch.Generator().manual_seed(11)

with torch.inference_mode():
    for name in WANTED:
        lengths = sorted(MIXES[name])
        batches = [lengths[start : start + BATCH] for start in range(0, len(lengths), BATCH)]
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for batch in batches:
                ids = torch.randint(0, 151936, (len(batch), max(batch)), generator=generator)
                # One length in the batch needs no mask, and the unmasked kernel is the faster one.
                mask = None if min(batch) == max(batch) else (torch.arange(max(batch))[None] < torch.tensor(batch)[:, None]).long()
                hidden = model(ids, attention_mask=mask, use_cache=False).last_hidden_state
                torch.nn.functional.normalize(hidden[torch.arange(len(batch)), torch.tensor(batch) - 1].float(), dim=-1)
            times.append(time.perf_counter() - began)
        median = statistics.median(times)
        print(json.dumps({"peer": "torch bf16", "torch": torch.__version__, "mix": name, "milliseconds": round(median * 1000), "tokensPerSecond": round(sum(lengths) / median)}), flush=True)
