"""Makes the small random checkpoints of test/vectors/architectures, one and more of each architecture, and the vectors that each
must give: transformers' own model in float32 with eager attention, one text at a time, then sentence-transformers' own modules.

  pip install torch transformers sentence-transformers safetensors compressed-tensors gptqmodel
  python test/vectors/make_architectures.py [NAME ...]
"""

import json
import pathlib
import shutil
import sys

import sentence_transformers
import torch
import transformers
from make_checkpoints import grid, pack_compressed, pack_gptq, quantisation_config
from safetensors.torch import save_file
from sentence_transformers.models import Dense, Pooling

HERE = pathlib.Path(__file__).parent / "architectures"
VOCABULARY = 128
END = VOCABULARY - 1
GROUP = 32
LENGTHS = [1, 2, 7, 33]
NOT_PUBLISHED = ["_name_or_path", "chunk_size_feed_forward", "id2label", "label2id", "return_dict", "output_hidden_states", "problem_type", "output_attentions", "dtype"]

COMMON = {"vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "bos_token_id": None, "eos_token_id": END}
DECODER = {**COMMON, "num_key_value_heads": 1, "max_position_embeddings": 96, "rms_norm_eps": 1e-6, "pad_token_id": None, "tie_word_embeddings": True}
ENCODER = {**COMMON, "max_position_embeddings": 80, "pad_token_id": 0, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"}
GEMMA = {**DECODER, "head_dim": 32, "num_attention_heads": 2, "query_pre_attn_scalar": 24, "sliding_window": 16, "attn_logit_softcapping": 2.0}
GTE = {"auto_map": {"AutoModel": "modeling_qwen.Qwen2Model", "AutoModelForCausalLM": "modeling_qwen.Qwen2ForCausalLM"}}
PPLX = {"model_type": "bidirectional_pplx_qwen3", "use_bidirectional_attention": True, "auto_map": {"AutoConfig": "configuration.PPLXQwen3Config", "AutoModel": "modeling.PPLXQwen3Model"}}
FP16, BF16, FP32 = torch.float16, torch.bfloat16, torch.float32
# name -> class of the configuration, its fields; dtype; class that config.json names; prefix of the tensors; modules.
CASES = {
    "qwen2": {"config": "Qwen2Config", "fields": DECODER, "dtype": BF16, "class": "Qwen2ForCausalLM", "prefix": "model."},
    "qwen2-gptq": {"config": "Qwen2Config", "fields": DECODER, "dtype": FP16, "class": "Qwen2ForCausalLM", "prefix": "model.", "layout": {"kind": "gptq", "version": 1, "symmetric": True}},
    "qwen2-compressed": {"config": "Qwen2Config", "fields": DECODER, "dtype": BF16, "class": "Qwen2ForCausalLM", "prefix": "model.", "layout": {"kind": "ct", "symmetric": True}},
    "qwen2-gte": {"config": "Qwen2Config", "fields": DECODER, "dtype": FP16, "class": "Qwen2ForCausalLM", "prefix": "model.", "published": GTE, "bidirectional": True, "pooling": "lasttoken"},
    "qwen2-window": {"config": "Qwen2Config", "fields": {**DECODER, "use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}, "dtype": FP16, "class": "Qwen2Model", "prefix": ""},
    "qwen3-mean": {"config": "Qwen3Config", "fields": {**DECODER, "head_dim": 32}, "dtype": FP16, "class": "Qwen3Model", "prefix": "", "published": {"is_causal": False}, "bidirectional": True, "pooling": "mean"},
    "llama": {"config": "LlamaConfig", "fields": DECODER, "dtype": FP16, "class": "LlamaForCausalLM", "prefix": "model."},
    "llama-biased": {"config": "LlamaConfig", "fields": {**DECODER, "attention_bias": True, "mlp_bias": True}, "dtype": FP32, "class": "LlamaModel", "prefix": "", "pooling": "mean"},
    "mistral": {"config": "MistralConfig", "fields": {**DECODER, "sliding_window": None}, "dtype": BF16, "class": "MistralModel", "prefix": "", "pooling": "lasttoken"},
    "mistral-window": {"config": "MistralConfig", "fields": {**DECODER, "sliding_window": 16}, "dtype": FP16, "class": "MistralModel", "prefix": ""},
    "gemma2": {"config": "Gemma2Config", "fields": GEMMA, "dtype": FP16, "class": "Gemma2Model", "prefix": "", "pooling": "lasttoken"},
    "gemma2-compressed": {"config": "Gemma2Config", "fields": GEMMA, "dtype": FP16, "class": "Gemma2ForCausalLM", "prefix": "model.", "layout": {"kind": "ct", "symmetric": False}},
    "gemma2-gptq": {"config": "Gemma2Config", "fields": {**GEMMA, "attn_logit_softcapping": None}, "dtype": FP16, "class": "Gemma2ForCausalLM", "prefix": "model.", "layout": {"kind": "gptq", "version": 2, "symmetric": False}},
    "bert": {"config": "BertConfig", "fields": ENCODER, "dtype": FP32, "class": "BertModel", "prefix": "", "pooling": "mean"},
    "bert-cls": {"config": "BertConfig", "fields": {**ENCODER, "num_attention_heads": 4, "hidden_act": "gelu_new"}, "dtype": FP16, "class": "BertModel", "prefix": "bert.", "pooling": "cls", "dense": ["Identity", "Tanh"]},
    "xlm-roberta": {"config": "XLMRobertaConfig", "fields": {**ENCODER, "pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5}, "dtype": FP16, "class": "XLMRobertaModel", "prefix": "roberta.", "pooling": "mean"},
    "xlm-roberta-cls": {"config": "XLMRobertaConfig", "fields": {**ENCODER, "pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5}, "dtype": BF16, "class": "XLMRobertaModel", "prefix": "", "pooling": "cls"},
    "bidirectional_pplx_qwen3": {"config": "Qwen3Config", "fields": {**DECODER, "head_dim": 32}, "dtype": FP32, "class": "PPLXQwen3Model", "prefix": "", "published": PPLX, "bidirectional": True, "pooling": "mean"},
}


def random_weights(model, generator, dtype):
    """As trained ones are: norms around what leaves values as they are, biases with one that is large."""
    stored_minus_one = "Gemma" in type(model).__name__
    weights = {}
    for name, parameter in model.state_dict().items():
        if not parameter.is_floating_point() or name.startswith("pooler."):
            continue
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith("bias"):
            value = 0.2 * noise
            value[0] = 5 * noise[0]
        elif "norm" in name.lower():
            value = (0 if stored_minus_one else 1) + 0.2 * noise
        else:
            value = 0.15 * noise
        weights[name] = value.to(dtype)
    return weights


def pack_linears(weights, case, generator):
    """Puts the linear layers of a decoder on a 4-bit grid -> (stored tensors, float32 weights)."""
    layout, stored, plain = case["layout"], dict(weights), dict(weights)
    for key in [key for key in weights if "_proj.weight" in key]:
        rows, columns = weights[key].shape
        scales, zeros, weight = grid(generator, rows, columns, GROUP, layout["symmetric"])
        if layout["kind"] == "gptq":
            tensors, value = pack_gptq(weight, scales, zeros, GROUP, layout["symmetric"], layout["version"], None)
        else:
            tensors, value = pack_compressed(weight, scales, zeros, GROUP, layout["symmetric"], "group", None, None)
            tensors["weight_scale"] = tensors["weight_scale"].to(torch.float16)
        del stored[key]
        name = key.removesuffix(".weight")
        stored.update({f"{name}.{suffix}": tensor for suffix, tensor in tensors.items()})
        plain[key] = value
    return stored, plain


def hidden_states(model, case, text):
    ids = torch.tensor([text])
    if not case.get("bidirectional"):
        return model(input_ids=ids).last_hidden_state
    # An additive mask of four dimensions is taken as it is.
    return model(input_ids=ids, attention_mask=torch.zeros(1, 1, len(text), len(text))).last_hidden_state


def write_modules(folder, case, generator, width):
    """sentence-transformers' files, by its own modules -> the modules after the transformer."""
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    built = [Pooling(width, pooling_mode=case["pooling"])]
    for activation in case.get("dense", []):
        out = width + 16
        dense = Dense(width, out, bias=activation == "Tanh", activation_function=getattr(torch.nn, activation)())
        for parameter in dense.parameters():
            parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
        built.append(dense)
        width = out
    for index, module in enumerate(built, 1):
        kind = type(module).__name__
        path = f"{index}_{kind}"
        (folder / path).mkdir()
        module.save(str(folder / path))
        modules.append({"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"})
    modules.append({"idx": len(modules), "name": str(len(modules)), "path": f"{len(modules)}_Normalize", "type": "sentence_transformers.models.Normalize"})
    (folder / "modules.json").write_text(json.dumps(modules, indent=1) + "\n")
    return built


def make(name, case, seed):
    generator = torch.Generator().manual_seed(seed)
    config = getattr(transformers, case["config"])(**case["fields"], attn_implementation="eager")
    model = transformers.AutoModel.from_config(config).float().eval()
    weights = random_weights(model, generator, case["dtype"])
    stored, plain = pack_linears(weights, case, generator) if "layout" in case else (weights, weights)
    missing = model.load_state_dict({key: value.float() for key, value in plain.items()}, strict=False).missing_keys
    assert all(key.startswith("pooler.") or "inv_freq" in key or "position_ids" in key for key in missing), missing

    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save_file({case["prefix"] + key: value.contiguous() for key, value in stored.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    published = {**config.to_dict(), "architectures": [case["class"]], **case.get("published", {})}
    if "layout" in case:
        published["quantization_config"] = quantisation_config({**case["layout"], "actorder": None})
    for key in [*NOT_PUBLISHED, "attn_implementation", "_attn_implementation"]:
        published.pop(key, None)
    (folder / "config.json").write_text(json.dumps(published, indent=1) + "\n")
    modules = write_modules(folder, case, generator, config.hidden_size) if "pooling" in case else [Pooling(config.hidden_size, pooling_mode="lasttoken")]

    first_position = case["fields"]["pad_token_id"] + 1 if "XLM" in case["config"] else 0
    lengths = [*LENGTHS, case["fields"]["max_position_embeddings"] - first_position]
    texts = [torch.randint(2, END, (length - 1,), generator=generator).tolist() + [END] for length in lengths]
    embeddings = []
    for text in texts:
        with torch.no_grad():
            features = {"token_embeddings": hidden_states(model, case, text), "attention_mask": torch.ones(1, len(text), dtype=torch.int64)}
            for module in modules:
                features = module(features)
        vector = torch.nn.functional.normalize(features["sentence_embedding"][0], dim=0)
        embeddings.append([float(f"{value:.7g}") for value in vector])
    made_with = {"torch": torch.__version__, "transformers": transformers.__version__, "sentence-transformers": sentence_transformers.__version__}
    (folder / "expected.json").write_text(json.dumps({"madeWith": made_with, "texts": texts, "embeddings": embeddings}) + "\n")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        make(name, CASES[name], list(CASES).index(name) + 1)
