"""PyTorch as a system of the bench (main.ts; ../peers/systems.ts has what it is told and says): transformers' own model in float32 with sdpa, pairs of one length
in batches of 16, without a mask.

  python torch_rerank.py make minilm|qwen3 LAYERS DIR      a random checkpoint of that shape, float32 or bfloat16
  python torch_rerank.py DIR THREADS
"""

import json
import pathlib
import sys
import time

import torch
import transformers

BATCH = 16
SHAPES = {
    # ms-marco-MiniLM-L6-v2's, and Qwen3-Reranker-0.6B's but for its vocabulary.
    "minilm": (
        transformers.BertForSequenceClassification,
        transformers.BertConfig,
        {"vocab_size": 30_522, "hidden_size": 384, "intermediate_size": 1_536, "num_attention_heads": 12, "num_labels": 1},
        torch.float32,
    ),
    "qwen3": (
        transformers.Qwen3ForCausalLM,
        transformers.Qwen3Config,
        {
            "vocab_size": 30_000, "hidden_size": 1_024, "intermediate_size": 3_072, "num_attention_heads": 16, "num_key_value_heads": 8,
            "head_dim": 128, "max_position_embeddings": 4_096, "tie_word_embeddings": True, "eos_token_id": 1,
        },
        torch.bfloat16,
    ),
}

if sys.argv[1] == "make":
    _, shape, layers, folder = sys.argv[1:]
    model_class, config_class, fields, dtype = SHAPES[shape]
    torch.manual_seed(27)
    model_class(config_class(**fields, num_hidden_layers=int(layers))).to(dtype).save_pretrained(folder)
    sys.exit()

folder = pathlib.Path(sys.argv[1])
torch.set_num_threads(int(sys.argv[2]))
facts = json.loads((folder / "config.json").read_text())
is_causal = facts["architectures"][0] == "Qwen3ForCausalLM"
model_class = getattr(transformers, facts["architectures"][0])
model = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
generator = torch.Generator().manual_seed(11)


def say(answer):
    print(json.dumps(answer), flush=True)


def scores_of(ids, types):
    with torch.inference_mode():
        if not is_causal:
            return model(input_ids=ids, token_type_ids=types).logits[:, 0].sigmoid()
        last = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[:, -1]
        return (last[:, vocabulary["yes"]] - last[:, vocabulary["no"]]).sigmoid()


say({"detail": f"torch {torch.__version__}, float32", "embeds": True})
for line in sys.stdin:
    task = json.loads(line)
    if "ids" in task:
        # A token of the second type is the complement of its id.
        ids = [torch.tensor([text]) for text in task["ids"]]
        scores = [scores_of(torch.where(one < 0, ~one, one), (one < 0).long()) for one in ids]
        say({"vectors": [[float(score)] for score in scores]})
        continue
    count, before, document, after = task["lengths"]
    beginning = torch.randint(5, 20_000, (before,), generator=generator).expand(count, before)
    ids = torch.cat([beginning, torch.randint(5, 20_000, (count, document + after), generator=generator)], dim=1)
    types = torch.cat([torch.zeros(before, dtype=torch.long), torch.ones(document + after, dtype=torch.long)]).expand_as(ids)
    start = time.perf_counter()
    for first in range(0, count, BATCH):
        scores_of(ids[first : first + BATCH], types[first : first + BATCH])
    say({"milliseconds": (time.perf_counter() - start) * 1_000})
