"""Makes the small random checkpoints of test/vectors/architectures, one and more of each architecture, and the vectors that each
must give: transformers' own model in float32 with eager attention, one text at a time.

  pip install torch transformers safetensors
  python test/vectors/make_architectures.py [NAME ...]
"""

import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent / "architectures"
VOCABULARY = 128
END = VOCABULARY - 1
LENGTHS = [1, 2, 7, 33, 80]
NOT_PUBLISHED = ["_name_or_path", "chunk_size_feed_forward", "id2label", "label2id", "return_dict", "output_hidden_states", "problem_type", "output_attentions", "dtype"]

DECODER = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
    "max_position_embeddings": 128, "rms_norm_eps": 1e-6, "bos_token_id": None, "eos_token_id": END, "pad_token_id": None, "tie_word_embeddings": True,
}
# name -> class of the configuration, its fields; dtype; class that config.json names; prefix of the tensors.
CASES = {
    "qwen2": {"config": "Qwen2Config", "fields": DECODER, "dtype": torch.bfloat16, "class": "Qwen2ForCausalLM", "prefix": "model."},
}


def random_weights(model, generator, dtype):
    """As trained ones are: norms around what leaves values as they are, biases with a few that are large."""
    weights = {}
    for name, parameter in model.state_dict().items():
        if not parameter.is_floating_point():
            continue
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith("bias"):
            value = 0.2 * noise
            value[0] = 20 * noise[0]
        elif "norm" in name.lower():
            value = 1 + 0.2 * noise
        else:
            value = 0.15 * noise
        weights[name] = value.to(dtype)
    return weights


def make(name, case, seed):
    generator = torch.Generator().manual_seed(seed)
    config = getattr(transformers, case["config"])(**case["fields"], attn_implementation="eager")
    model = transformers.AutoModel.from_config(config).float().eval()
    weights = random_weights(model, generator, case["dtype"])
    model.load_state_dict({key: value.float() for key, value in weights.items()}, strict=True)

    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save_file({case["prefix"] + key: value.contiguous() for key, value in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    published = {**config.to_dict(), "architectures": [case["class"]], **case.get("published", {})}
    for key in [*NOT_PUBLISHED, "attn_implementation", "_attn_implementation"]:
        published.pop(key, None)
    (folder / "config.json").write_text(json.dumps(published, indent=1) + "\n")

    texts = [torch.randint(0, END, (length - 1,), generator=generator).tolist() + [END] for length in LENGTHS]
    with torch.no_grad():
        vectors = [model(input_ids=torch.tensor([text])).last_hidden_state[0, -1] for text in texts]
    embeddings = [[float(f"{value:.7g}") for value in vector / vector.norm()] for vector in vectors]
    made_with = {"torch": torch.__version__, "transformers": transformers.__version__}
    (folder / "expected.json").write_text(json.dumps({"madeWith": made_with, "texts": texts, "embeddings": embeddings}) + "\n")


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        make(name, CASES[name], list(CASES).index(name) + 1)
