"""PyTorch as a system of the bench (see main.ts for what it is told and says): transformers' own model with sdpa.

  python torch_bench.py CHECKPOINT THREADS bfloat16|float16|float32

CHECKPOINT is a folder with config.json and model.safetensors, of any architecture that transformers has: plain weights, or 4-bit ones as compressed-tensors packs them
(symmetric, eight values an int32, lowest nibble first), which are dequantised in float32 and then rounded. Texts are sorted and in batches of 16, which keeps padding low without
packing; a batch of one length goes without a mask, since the unmasked kernel is the faster one.
"""

import json
import pathlib
import sys
import time

import torch
import transformers
from safetensors import safe_open
from transformers import AutoConfig, AutoModel

BATCH = 16

folder = pathlib.Path(sys.argv[1])
facts = json.loads((folder / "config.json").read_text())
torch.set_num_threads(int(sys.argv[2]))
torch.set_default_dtype(getattr(torch, sys.argv[3]))
LEFT_OUT = {"model_type", "rope_theta", "quantization_config", "architectures", "dtype", "torch_dtype"}
rope = {"rope_parameters": {"rope_type": "default", "rope_theta": float(facts["rope_theta"])}} if "rope_theta" in facts else {}
config = AutoConfig.for_model(
    facts["model_type"], **{name: value for name, value in facts.items() if name not in LEFT_OUT}, **rope, attn_implementation="sdpa"
)
pooling_file = folder / "1_Pooling" / "config.json"
pooling = json.loads(pooling_file.read_text()) if pooling_file.exists() else {}
MODES = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
mode = pooling.get("pooling_mode") or next((mode for name, mode in MODES.items() if pooling.get(name)), "lasttoken")


def fill(model, file):
    """Tensor by tensor: two copies of a model in float32 would be the most memory of all."""
    # A pooler after the layers is no part of a sentence's embedding, and some checkpoints lack it or have position_ids stored.
    missing = {name: parameter for name, parameter in model.named_parameters() if "pooler." not in name}
    for name in file.keys():
        plain = name.removeprefix("model.")
        if plain.endswith(("_scale", "_shape")) or "pooler." in plain or "position_ids" in plain:
            continue
        if plain.endswith(".weight_packed"):
            packed, scale = file.get_tensor(name), file.get_tensor(name.replace("_packed", "_scale")).float()
            codes = torch.stack([packed >> shift & 15 for shift in range(0, 32, 4)], dim=-1).flatten(1) - 8
            tensor = codes * scale.repeat_interleave(codes.shape[1] // scale.shape[1], dim=1)
        else:
            tensor = file.get_tensor(name)
        missing.pop(plain.replace("_packed", "")).data.copy_(tensor)
    assert not missing, f"{folder} lacks {sorted(missing)}"


model = AutoModel.from_config(config).eval()
start = time.perf_counter()
with safe_open(folder / "model.safetensors", framework="pt") as file:
    fill(model, file)
load_ms = (time.perf_counter() - start) * 1000
generator = torch.Generator().manual_seed(11)


def say(answer):
    print(json.dumps(answer), flush=True)


# An encoder has no cache to leave out.
CACHE = {"use_cache": False} if mode == "lasttoken" else {}


def pooled(hidden, lengths):
    if mode == "cls":
        return hidden[:, 0].float()
    if mode == "lasttoken":
        return hidden[torch.arange(len(lengths)), lengths - 1].float()
    inside = torch.arange(hidden.shape[1])[None] < lengths[:, None]
    return (hidden.float() * inside[:, :, None]).sum(1) / lengths[:, None]


def run(lengths):
    lengths = sorted(lengths)
    began = time.perf_counter()
    for start in range(0, len(lengths), BATCH):
        batch = lengths[start : start + BATCH]
        ids = torch.randint(0, config.vocab_size, (len(batch), max(batch)), generator=generator)
        mask = None if min(batch) == max(batch) else (torch.arange(max(batch))[None] < torch.tensor(batch)[:, None]).long()
        torch.nn.functional.normalize(pooled(model(ids, attention_mask=mask, **CACHE).last_hidden_state, torch.tensor(batch)), dim=-1)
    return (time.perf_counter() - began) * 1000


def embed(ids):
    vectors = []
    for text in ids:
        hidden = model(torch.tensor([text]), **CACHE).last_hidden_state
        vectors.append(torch.nn.functional.normalize(pooled(hidden, torch.tensor([len(text)]))[0], dim=-1).tolist())
    return vectors


say({"embeds": True, "loadMs": load_ms, "detail": f"torch {torch.__version__}, transformers {transformers.__version__}, {sys.argv[3]}, sdpa"})
with torch.inference_mode():
    for line in sys.stdin:
        task = json.loads(line)
        say({"vectors": embed(task["ids"])} if "ids" in task else {"milliseconds": run(task["lengths"])})
