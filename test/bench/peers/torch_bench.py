"""PyTorch as a system of the bench (see main.ts for what it is told and says): transformers' Qwen3Model with sdpa.

  python torch_bench.py CONFIG_JSON THREADS bfloat16|float32

CONFIG_JSON is the random checkpoint's config.json. Texts are sorted and in batches of 16, which keeps padding low without
packing; a batch of one length goes without a mask, since the unmasked kernel is the faster one.
"""

import json
import sys
import time

import torch
import transformers
from transformers import Qwen3Config, Qwen3Model

BATCH = 16

facts = json.load(open(sys.argv[1]))
torch.set_num_threads(int(sys.argv[2]))
torch.set_default_dtype(getattr(torch, sys.argv[3]))
SIZES = [
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
]
config = Qwen3Config(
    **{size: facts[size] for size in SIZES},
    rope_parameters={"rope_type": "default", "rope_theta": float(facts["rope_theta"])},
    attn_implementation="sdpa",
)
model = Qwen3Model(config).eval()
generator = torch.Generator().manual_seed(11)


def say(answer):
    print(json.dumps(answer), flush=True)


def run(lengths):
    lengths = sorted(lengths)
    began = time.perf_counter()
    for start in range(0, len(lengths), BATCH):
        batch = lengths[start : start + BATCH]
        ids = torch.randint(0, config.vocab_size, (len(batch), max(batch)), generator=generator)
        mask = None if min(batch) == max(batch) else (torch.arange(max(batch))[None] < torch.tensor(batch)[:, None]).long()
        hidden = model(ids, attention_mask=mask, use_cache=False).last_hidden_state
        torch.nn.functional.normalize(hidden[torch.arange(len(batch)), torch.tensor(batch) - 1].float(), dim=-1)
    return (time.perf_counter() - began) * 1000


say({"detail": f"torch {torch.__version__}, transformers {transformers.__version__}, {sys.argv[3]}, sdpa"})
with torch.inference_mode():
    for line in sys.stdin:
        say({"milliseconds": run(json.loads(line)["lengths"])})
