"""Makes test/vectors/checkpoints/plain-head-dim-default: config.json says no head_dim, which is then 128 (transformers'
Qwen3Config) and neither hidden_size / heads nor what any other checkpoint here has.

The oracle is not our code: the model written down once more, in numpy and float64. `--check` runs it on the other
plain checkpoints, whose vectors transformers computed.

  pip install numpy
  python test/vectors/make_plain_head_dim.py [--check]
"""

import json
import pathlib
import struct
import sys

import numpy as np

HERE = pathlib.Path(__file__).parent / "checkpoints"
LAYERS, WIDTH, HEADS, KV, HEAD_DIM, MLP, VOCAB, EPS, THETA = 1, 32, 2, 1, 128, 48, 64, 1e-6, 1e6


def rms(x, gain):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * gain


def embed(weights, ids, layers, heads, kv, head_dim, theta):
    """The last token's final hidden state, of length 1."""
    x = weights["embed_tokens.weight"][ids].astype(np.float64)
    count = len(ids)
    angles = np.arange(count)[:, None] / theta ** (np.arange(0, head_dim, 2) / head_dim)
    cos, sin = (np.concatenate([f(angles)] * 2, -1)[:, None] for f in (np.cos, np.sin))
    half = head_dim // 2
    rotate = lambda t: t * cos + np.concatenate([-t[..., half:], t[..., :half]], -1) * sin
    for layer in range(layers):
        w = lambda name: weights[f"layers.{layer}.{name}.weight"].astype(np.float64)
        normed = rms(x, w("input_layernorm"))
        split = lambda name, n: (normed @ w(f"self_attn.{name}_proj").T).reshape(count, n, head_dim)
        q = rotate(rms(split("q", heads), w("self_attn.q_norm")))
        k = np.repeat(rotate(rms(split("k", kv), w("self_attn.k_norm"))), heads // kv, 1)
        v = np.repeat(split("v", kv), heads // kv, 1)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(head_dim)
        scores = np.where(np.tril(np.ones((count, count), bool)), scores, -np.inf)
        share = np.exp(scores - scores.max(-1, keepdims=True))
        share /= share.sum(-1, keepdims=True)
        x = x + np.einsum("hqk,khd->qhd", share, v).reshape(count, -1) @ w("self_attn.o_proj").T
        normed = rms(x, w("post_attention_layernorm"))
        gate = normed @ w("mlp.gate_proj").T
        x = x + (gate / (1 + np.exp(-gate)) * (normed @ w("mlp.up_proj").T)) @ w("mlp.down_proj").T
    last = rms(x[-1], weights["norm.weight"].astype(np.float64))
    return last / np.linalg.norm(last)


def read(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    tensors = {}
    for name, entry in json.loads(raw[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        kind = {"F32": np.float32, "F16": np.float16}[entry["dtype"]]
        tensors[name.removeprefix("model.")] = np.frombuffer(raw[start:end], kind).reshape(entry["shape"])
    return tensors


def check():
    for name in ["plain-fp32", "plain-fp16"]:
        weights, expected = read(HERE / name / "model.safetensors"), json.loads((HERE / name / "expected.json").read_text())
        for ids, vector in zip(expected["texts"], expected["embeddings"]):
            own = embed(weights, ids, 2, 4, 2, 32, THETA)
            print(name, len(ids), "1-cos", 1 - own @ vector / np.linalg.norm(vector))


def make():
    random = np.random.default_rng(18)
    queries, keys = HEADS * HEAD_DIM, KV * HEAD_DIM
    shapes = {"embed_tokens": (VOCAB, WIDTH), "norm": (WIDTH,)}
    for layer in range(LAYERS):
        at = f"layers.{layer}"
        shapes |= {f"{at}.input_layernorm": (WIDTH,), f"{at}.post_attention_layernorm": (WIDTH,)}
        shapes |= {f"{at}.self_attn.{x}_norm": (HEAD_DIM,) for x in "qk"}
        shapes |= {f"{at}.self_attn.q_proj": (queries, WIDTH), f"{at}.self_attn.k_proj": (keys, WIDTH)}
        shapes |= {f"{at}.self_attn.v_proj": (keys, WIDTH), f"{at}.self_attn.o_proj": (WIDTH, queries)}
        shapes |= {f"{at}.mlp.{x}_proj": (MLP, WIDTH) for x in ("gate", "up")} | {f"{at}.mlp.down_proj": (WIDTH, MLP)}
    tensors = {}
    for name, shape in shapes.items():
        noise = random.standard_normal(shape)
        tensors[f"{name}.weight"] = (1 + 0.2 * noise if len(shape) == 1 else noise / np.sqrt(shape[-1])).astype(np.float16)
    header, offset = {}, 0
    for name, tensor in tensors.items():
        header[f"model.{name}"] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    out = HERE / "plain-head-dim-default"
    out.mkdir(exist_ok=True)
    data = b"".join(tensor.tobytes() for tensor in tensors.values())
    (out / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    config = {
        "model_type": "qwen3", "architectures": ["Qwen3Model"], "vocab_size": VOCAB, "hidden_size": WIDTH, "intermediate_size": MLP,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV, "hidden_act": "silu",
        "max_position_embeddings": 256, "rms_norm_eps": EPS, "rope_theta": THETA, "tie_word_embeddings": True, "eos_token_id": VOCAB - 1,
    }
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    texts = [[*random.integers(0, VOCAB - 1, count).tolist(), VOCAB - 1] for count in (0, 1, 7, 40)]
    vectors = [embed(tensors, ids, LAYERS, HEADS, KV, HEAD_DIM, THETA).tolist() for ids in texts]
    made_with = {"script": "make_plain_head_dim.py", "numpy": np.__version__, "python": sys.version.split()[0]}
    (out / "expected.json").write_text(json.dumps({"madeWith": made_with, "texts": texts, "embeddings": vectors}))


check() if "--check" in sys.argv else make()
