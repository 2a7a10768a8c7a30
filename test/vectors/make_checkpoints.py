"""Makes the small checkpoints of test/vectors/checkpoints and the vectors that each must give.

The oracle is not our code: weights are packed by the libraries that define the layouts (compressed-tensors, GPTQModel),
unpacked again by them, put into transformers' Qwen3Model in float32 with eager attention, and run one text at a time.

  pip install torch transformers safetensors compressed-tensors gptqmodel
  python test/vectors/make_checkpoints.py                      # everything but the two below
  pip install compressed-tensors==0.12.2                       # the last line of versions that writes weight_g_idx
  python test/vectors/make_checkpoints.py ct-group ct-group-asym
"""

import json
import pathlib
import shutil
import sys
import types

import torch
import transformers
from safetensors.torch import save_file
from transformers import Qwen3Config, Qwen3Model

HERE = pathlib.Path(__file__).parent / "checkpoints"
END = 127
GROUP = 32
LINEARS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]


def config():
    """head_dim is not hidden_size / heads, as in the 0.6B and 4B models."""
    return Qwen3Config(
        vocab_size=128, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=32, max_position_embeddings=256, rms_norm_eps=1e-6, rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
        attention_bias=False, tie_word_embeddings=True, eos_token_id=END, bos_token_id=END, use_sliding_window=False,
        attn_implementation="eager",
    )


def base_weights(generator):
    """Everything that is never quantised, and the shapes of what is."""
    model = Qwen3Model(config()).float().eval()
    weights = {}
    for name, parameter in model.state_dict().items():
        noise = torch.randn(parameter.shape, generator=generator)
        norm = name.endswith("norm.weight") or "layernorm" in name
        weights[name] = 1 + 0.2 * noise if norm else 0.1 * noise
    return weights


def grid(generator, rows, columns, group, symmetric, g_idx=None):
    """Weights on a 4-bit grid: (scales [rows, groups], zeros [rows, groups] 0..15, weight [rows, columns])."""
    groups = columns // group
    scales = (0.02 + 0.03 * torch.rand(rows, groups, generator=generator)).to(torch.float16).float()
    zeros = torch.full((rows, groups), 8) if symmetric else torch.randint(0, 16, (rows, groups), generator=generator)
    if not symmetric:
        zeros[0, 0], zeros[1, 0] = 0, 15
    # A zero point at the edge of the range makes all weights of one sign; normal-looking nibbles keep activations sane.
    nibbles = (zeros.repeat_interleave(group, 1) + torch.randn(rows, columns, generator=generator) * 3).round().clamp(0, 15).int()
    where = g_idx if g_idx is not None else torch.arange(columns) // group
    weight = (nibbles - zeros[:, where]) * scales[:, where]
    return scales, zeros.int(), weight


def pack_compressed(weight, scales, zeros, group, symmetric, strategy, actorder, g_idx):
    """compressed-tensors' own packing and unpacking -> (stored tensors, float32 weight)."""
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

    args = QuantizationArgs(num_bits=4, type="int", symmetric=symmetric, strategy=strategy, group_size=group if strategy == "group" else None, actorder=actorder)
    signed = (zeros - 8).to(torch.int8)
    if g_idx is None:
        from compressed_tensors.compressors import PackedQuantizationCompressor

        scheme = QuantizationScheme(targets=["Linear"], weights=args)
        state = {"weight": weight, "weight_scale": scales}
        if not symmetric:
            state["weight_zero_point"] = signed
        stored = PackedQuantizationCompressor.compress(state, scheme)
        return stored, PackedQuantizationCompressor.decompress(stored, scheme)["weight"].float()
    from compressed_tensors.compressors import PackedQuantizationCompressor
    from compressed_tensors.quantization.lifecycle.forward import dequantize, quantize

    compressor = PackedQuantizationCompressor()
    stored = compressor.compress_weight(weight=weight, scale=scales, quantization_args=args, zero_point=signed, g_idx=g_idx)
    codes = quantize(x=weight, scale=scales, zero_point=signed, args=args, dtype=torch.int8, g_idx=g_idx)
    plain = dequantize(x_q=codes, scale=scales, zero_point=signed, args=args, g_idx=g_idx)
    return {**stored, "weight_scale": scales, "weight_g_idx": g_idx}, plain.float()


def pack_gptq(weight, scales, zeros, group, symmetric, version, g_idx):
    """GPTQModel's own packing and dequantising -> (stored tensors, float32 weight)."""
    from gptqmodel.nn_modules.qlinear.torch import TorchLinear
    from gptqmodel.utils.model import convert_gptq_v2_to_v1_format_module

    rows, columns = weight.shape
    linear = torch.nn.Linear(columns, rows, bias=False)
    linear.weight.data = weight.clone()
    packed = TorchLinear(bits=4, group_size=group, sym=symmetric, desc_act=g_idx is not None, in_features=columns, out_features=rows, bias=False, register_buffers=True)
    order = g_idx if g_idx is not None else torch.arange(columns) // group
    packed.pack_original(linear, scales.clone(), zeros.float().clone(), order.int())
    packed.post_init()
    plain = packed.dequantize_weight().t().float().clone()
    if version == 1:
        convert_gptq_v2_to_v1_format_module(packed, types.SimpleNamespace(bits=4, pack_dtype=torch.int32))
    names = ["qweight", "qzeros", "scales", "g_idx"]
    return {name: getattr(packed, name).detach().clone() for name in names}, plain


def embed(weights, texts):
    model = Qwen3Model(config()).float().eval()
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    with torch.no_grad():
        return [torch.nn.functional.normalize(model(torch.tensor([ids])).last_hidden_state[0, -1], dim=0).tolist() for ids in texts]


def group_index(generator, columns, group):
    """A random activation order: exactly `group` columns in each group."""
    return (torch.randperm(columns, generator=generator) // group).int()


CASES = {
    "ct-sym": dict(kind="ct", symmetric=True),
    "ct-asym": dict(kind="ct", symmetric=False),
    "ct-static": dict(kind="ct", symmetric=True, actorder="static"),
    "ct-weight": dict(kind="ct", symmetric=False, actorder="weight"),
    "ct-channel": dict(kind="ct", symmetric=True, strategy="channel"),
    "ct-group": dict(kind="ct", symmetric=True, actorder="group"),
    "ct-group-asym": dict(kind="ct", symmetric=False, actorder="group"),
    "gptq-v1-sym": dict(kind="gptq", symmetric=True, version=1),
    "gptq-v1-asym": dict(kind="gptq", symmetric=False, version=1),
    "gptq-v1-desc-act": dict(kind="gptq", symmetric=True, version=1, desc_act=True),
    "gptq-v1-channel": dict(kind="gptq", symmetric=True, version=1, strategy="channel"),
    "gptq-v2-sym": dict(kind="gptq", symmetric=True, version=2),
    "gptq-v2-asym-desc-act": dict(kind="gptq", symmetric=False, version=2, desc_act=True),
    "plain-bf16-sharded": dict(kind="plain", dtype=torch.bfloat16, prefix="", shards=2),
    "plain-fp16": dict(kind="plain", dtype=torch.float16),
    "plain-fp32": dict(kind="plain", dtype=torch.float32, prefix=""),
}


def quantisation_config(case):
    group = -1 if case.get("strategy") == "channel" else GROUP
    if case["kind"] == "gptq":
        return {"quant_method": "gptq", "bits": 4, "group_size": group, "desc_act": case.get("desc_act", False), "sym": case["symmetric"], "checkpoint_format": "gptq" if case["version"] == 1 else "gptq_v2"}
    weights = {"num_bits": 4, "type": "int", "symmetric": case["symmetric"], "strategy": case.get("strategy", "group"), "group_size": None if group == -1 else group, "actorder": case.get("actorder"), "dynamic": False}
    return {"quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed", "ignore": ["lm_head"], "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": None, "output_activations": None}}}


def make(name, case, seed):
    generator = torch.Generator().manual_seed(seed)
    weights = base_weights(generator)
    dtype = case.get("dtype", torch.float16)
    stored = {key: value.to(dtype) for key, value in weights.items()}
    plain = {key: value.float() for key, value in stored.items()}
    if case["kind"] != "plain":
        for layer in range(2):
            # q and k, v are read from one input but need not be ordered alike; k gets an order of its own in layer 1.
            for part in LINEARS:
                key = f"layers.{layer}.{part}"
                rows, columns = weights[f"{key}.weight"].shape
                channel = case.get("strategy") == "channel"
                group = columns if channel else GROUP
                ordered = case.get("desc_act") or case.get("actorder") == "group"
                order_seed = layer if part in LINEARS[:3] and not (layer == 1 and part == LINEARS[1]) else 1000 + seed
                g_idx = group_index(torch.Generator().manual_seed(order_seed), columns, group) if ordered else None
                scales, zeros, weight = grid(generator, rows, columns, group, case["symmetric"], g_idx)
                if case["kind"] == "gptq":
                    tensors, value = pack_gptq(weight, scales, zeros, group, case["symmetric"], case["version"], g_idx)
                else:
                    tensors, value = pack_compressed(weight, scales, zeros, group, case["symmetric"], case.get("strategy", "group"), case.get("actorder"), g_idx)
                    tensors["weight_scale"] = tensors["weight_scale"].to(torch.float16)
                del stored[f"{key}.weight"]
                stored.update({f"{key}.{suffix}": tensor for suffix, tensor in tensors.items()})
                plain[f"{key}.weight"] = value
    write(HERE / name, case, stored, plain, generator)


def write(folder, case, stored, plain, generator):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    values = config().to_dict()
    for key in ["_name_or_path", "attn_implementation", "_attn_implementation", "chunk_size_feed_forward", "id2label", "label2id", "return_dict", "output_hidden_states", "problem_type", "is_encoder_decoder", "output_attentions", "dtype"]:
        values.pop(key, None)
    if case["kind"] != "plain":
        values["quantization_config"] = quantisation_config(case)
    (folder / "config.json").write_text(json.dumps(values, indent=1) + "\n")
    prefix = case.get("prefix", "model.")
    tensors = {prefix + key: value.contiguous() for key, value in stored.items()}
    shards = case.get("shards", 1)
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        names, index = sorted(tensors), {}
        for shard in range(shards):
            file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
            part = {key: tensors[key] for key in names[shard::shards]}
            save_file(part, folder / file, metadata={"format": "pt"})
            index.update({key: file for key in part})
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}, indent=1) + "\n")
    texts = [torch.randint(0, END, (length,), generator=generator).tolist() + [END] for length in [0, 1, 6, 32, 79]]
    embeddings = [[float(f"{value:.7g}") for value in vector] for vector in embed(plain, texts)]
    (folder / "expected.json").write_text(json.dumps({"madeWith": versions(case), "texts": texts, "embeddings": embeddings}) + "\n")


def versions(case):
    found = {"torch": torch.__version__, "transformers": transformers.__version__}
    if case["kind"] == "ct":
        import importlib.metadata

        import compressed_tensors

        found["compressed-tensors"] = getattr(compressed_tensors, "__version__", None) or importlib.metadata.version("compressed-tensors")
    if case["kind"] == "gptq":
        import gptqmodel

        found["gptqmodel"] = gptqmodel.__version__
    return found


if __name__ == "__main__":
    wanted = sys.argv[1:] or [name for name in CASES if not name.startswith("ct-group")]
    for name in wanted:
        make(name, CASES[name], list(CASES).index(name) + 1)
