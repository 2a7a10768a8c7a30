"""transformers' Qwen3Model with random bfloat16 weights and sdpa, eager and compiled: sorted by length, padded, in batches of 16,384 tokens.

Told one JSON object on its input (the shape's sizes, "shapes" by name with lengths in tokens, "rounds", "device"); says a JSON line for each
as soon as it is measured. Operations: two a weight and token, and the causal half of attention.
"""

import json
import statistics
import sys
import time

import torch
from transformers import Qwen3Config, Qwen3Model

BATCH_TOKENS = 16_384

told = json.load(sys.stdin)
device = told["device"]
layers, hidden, heads, kv, dim, mlp = (told[key] for key in ("layers", "hidden", "heads", "kvHeads", "headDim", "mlp"))
config = Qwen3Config(
    vocab_size=told["vocabulary"], hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv, head_dim=dim,
    intermediate_size=mlp, max_position_embeddings=40_960, rope_theta=1e6, use_cache=False, attn_implementation="sdpa",
)
torch.set_default_dtype(torch.bfloat16)
with torch.device(device):
    eager = Qwen3Model(config).eval()
weights = hidden * dim * (2 * heads + 2 * kv) + 3 * hidden * mlp


def synchronised():
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def batches(lengths):
    batch = []
    for length in sorted(lengths, reverse=True):
        if batch and (len(batch) + 1) * batch[0] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(length)
    yield batch


@torch.inference_mode()
def run(model, lengths):
    for batch in batches(lengths):
        longest = batch[0]
        ids = torch.randint(0, told["vocabulary"], (len(batch), longest), device=device)
        padded = any(length < longest for length in batch)
        starts = torch.tensor([longest - length for length in batch], device=device)
        # Padding on the left: the last token is at -1.
        mask = (torch.arange(longest, device=device)[None] >= starts[:, None]).long() if padded else None
        hidden_states = model(input_ids=ids, attention_mask=mask).last_hidden_state
        torch.nn.functional.normalize(hidden_states[:, -1].float(), dim=-1).cpu()


for name, compiled in (("torch", False), ("torch compiled", True)):
    if compiled and device != "cuda":
        continue
    model = torch.compile(eager, dynamic=True) if compiled else eager
    for shape, lengths in told["shapes"].items():
        line = {"mode": name, "version": torch.__version__, "shape": shape}
        try:
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            run(model, lengths)
            times = []
            for _ in range(told["rounds"]):
                start = synchronised()
                run(model, lengths)
                times.append(synchronised() - start)
            seconds, tokens = statistics.median(times), sum(lengths)
            work = sum(layers * (2 * weights * n + 2 * heads * dim * n * n) for n in lengths)
            line |= {"tokens": tokens, "seconds": round(seconds, 5), "tokensPerSecond": round(tokens / seconds), "teraflops": round(work / seconds / 1e12, 2)}
            line["cardMemoryMb"] = round(torch.cuda.max_memory_allocated() / 1e6) if device == "cuda" else None
        except Exception as error:
            line["error"] = f"{type(error).__name__}: {error}"[-500:]
        print(json.dumps(line), flush=True)
