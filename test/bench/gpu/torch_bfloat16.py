"""How far transformers' Qwen3Model in bfloat16 is from float32 vectors, text by text: what bfloat16 costs anybody.

Told one JSON object on its input: "device", and "subjects" with "name", "dir" (config.json and model.safetensors in float32), "texts" (token ids) and
"vectors" (float32). Says a JSON line for each: the median and the largest 1 - cos with torch's own fused attention, and with the plain one where the texts are short.
"""

import json
import statistics
import sys

import torch
from safetensors.torch import load_file
from transformers import Qwen3Config, Qwen3Model

EAGER_TOKENS_MAX = 4_096

told = json.load(sys.stdin)
torch.set_grad_enabled(False)


def distances(subject, attention):
    config = Qwen3Config.from_pretrained(subject["dir"])
    config._attn_implementation = attention
    model = Qwen3Model(config)
    missing, unexpected = model.load_state_dict(load_file(subject["dir"] + "/model.safetensors"), strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    model = model.to(torch.bfloat16).to(told["device"]).eval()
    found = []
    for ids, vector in zip(subject["texts"], subject["vectors"]):
        hidden = model(input_ids=torch.tensor([ids], device=told["device"]), use_cache=False).last_hidden_state[0, -1].double().cpu()
        found.append(1 - torch.nn.functional.cosine_similarity(hidden, torch.tensor(vector, dtype=torch.double), dim=0).item())
    return {"median": statistics.median_high(found), "max": max(found)}


for subject in told["subjects"]:
    line = {"subject": subject["name"], "texts": len(subject["texts"]), **distances(subject, "sdpa")}
    if max(map(len, subject["texts"])) <= EAGER_TOKENS_MAX:
        line["plainAttention"] = distances(subject, "eager")
    print(json.dumps(line), flush=True)
