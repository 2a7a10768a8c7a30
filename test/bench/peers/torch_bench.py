"""PyTorch as a system of the bench (see main.ts for what it is told and says): transformers' own model with sdpa.

  python torch_bench.py CHECKPOINT THREADS bfloat16|float16|float32

CHECKPOINT is a folder with config.json and model.safetensors: plain weights, or 4-bit ones as compressed-tensors packs them
(symmetric, eight values an int32, lowest nibble first), which are dequantised in float32 and then rounded. Texts are sorted and in batches of 16, which keeps padding low without
packing; a batch of one length goes without a mask, since the unmasked kernel is the faster one.
"""

import json
import pathlib
import sys
import time

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel

BATCH = 16

folder = pathlib.Path(sys.argv[1])
facts = json.loads((folder / "config.json").read_text())
torch.set_num_threads(int(sys.argv[2]))
torch.set_default_dtype(getattr(torch, sys.argv[3]))
LEFT_OUT = {"model_type", "rope_theta", "quantization_config", "architectures", "dtype", "torch_dtype"}
config = AutoConfig.for_model(
    facts["model_type"],
    **{name: value for name, value in facts.items() if name not in LEFT_OUT},
    rope_parameters={"rope_type": "default", "rope_theta": float(facts["rope_theta"])},
    attn_implementation="sdpa",
)


def dequantised(tensors):
    """The tensors of the plain model, float32, by their names within it."""
    plain = {}
    for name, tensor in tensors.items():
        name = name.removeprefix("model.")
        if name.endswith(".weight_packed"):
            scale = tensors["model." + name.replace("_packed", "_scale")].float()
            codes = torch.stack([tensor >> shift & 15 for shift in range(0, 32, 4)], dim=-1).flatten(1) - 8
            plain[name.replace("_packed", "")] = codes * scale.repeat_interleave(codes.shape[1] // scale.shape[1], dim=1)
        elif not name.endswith(("_scale", "_shape")):
            plain[name] = tensor.float()
    return plain


model = AutoModel.from_config(config).eval()
start = time.perf_counter()
model.load_state_dict(dequantised(load_file(folder / "model.safetensors")))
load_ms = (time.perf_counter() - start) * 1000
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


def embed(ids):
    vectors = []
    for text in ids:
        hidden = model(torch.tensor([text]), use_cache=False).last_hidden_state
        vectors.append(torch.nn.functional.normalize(hidden[0, -1].float(), dim=-1).tolist())
    return vectors


say({"embeds": True, "loadMs": load_ms, "detail": f"torch {torch.__version__}, transformers {transformers.__version__}, {sys.argv[3]}, sdpa"})
with torch.inference_mode():
    for line in sys.stdin:
        task = json.loads(line)
        say({"vectors": embed(task["ids"])} if "ids" in task else {"milliseconds": run(task["lengths"])})
