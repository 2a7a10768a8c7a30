"""Small tokenizers of each kind, and the ids that the reference library gives for texts that tell kinds apart.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 protobuf
    python test/vectors/make_tokenizers.py

Writes test/vectors/tokenizers/NAME.json.gz (tokenizer.json, as transformers saves such a kind) and ids.json: the versions,
the texts, and for each tokenizer the file it is made from, what is other than there, and the ids of all texts as base64 of
deflated little-endian uint16, lengths first. Only the normalisation table nmt_nfkc is sentencepiece's; every vocabulary is
trained here, on words made of the texts' own letters.
"""
import base64, gzip, io, json, pathlib, random, struct, tempfile, zlib
import sentencepiece, tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = pathlib.Path(__file__).parent / "tokenizers"
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

# ---------------------------------------------------------------- texts
BLOCKS = [(0x20, 0x7E), (0xA0, 0xFF), (0x100, 0x17F), (0x250, 0x2AF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF),
          (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x20A0, 0x20BF), (0x2100, 0x214F),
          (0x3040, 0x30FF), (0x3300, 0x33FF), (0x4E00, 0x4FFF), (0xAC00, 0xACFF), (0xFB50, 0xFDFF), (0xFE30, 0xFF60), (0x1F300, 0x1F64F), (0x20000, 0x200FF)]
BY_HAND = [
    "a", " ", "  two leading spaces", "trailing space ", "many   spaces", "\ttabs\tand\nnew\r\nlines\n\n", "\u00a0no\u2009break\u3000spaces\u2028", "The quick brown fox jumps over the lazy dog.",
    "What's it? Don't, I'll, we've, THEY'RE", "it\u2019s \u2018quoted\u2019", "don't-stop, co-operate; e.g. (this) [that] {those}", "3.14159 1234567890 v2.10.3 1e-6 0x7fff 12,50 \u20ac",
    "import numpy as np\n\ndef f(x):\n    return np.sqrt(x) + 1\n", '{"a": 1, "b": [1, 2.5, null]}', "https://example.com/a/path?query=1&x=%20y#part user@example.com", "snake_case camelCase UPPER",
    "\u00dcber Stra\u00dfe na\u00efve caf\u00e9 d\u00e9j\u00e0 \u00c5ngstr\u00f6m \u0130stanbul \u0131", "cafe\u0301 A\u030angstro\u0308m e\u0301\u0323 \u0323\u0301", "\u039f\u0394\u039f\u03a3 \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u03a3", "\u0414\u043e\u043b\u0433\u0430\u044f \u0434\u043e\u0440\u043e\u0433\u0430 \u0432 \u0434\u044e\u043d\u0430\u0445 \u0419\u0451",
    "\u673a\u5668\u5b66\u4e60\u6a21\u578b\u7684\u5411\u91cf\u53ef\u4ee5\u7528\u4e8e\u68c0\u7d22\u3002", "\u4e2d\u6587 and English \u6df7\u5408 123\u4e2a", "\U00020bb7\u91ce\u5bb6 \U00020000\U0002a6d6 \uf900\ufa0e \U0002f800", "\u6771\u4eac\u306f\u65e5\u672c\u306e\u9996\u90fd\u3067\u3059\u3002\uff11\uff12\uff13 \u30ab\u30bf\u30ab\u30ca \uff76\uff9e",
    "\uc11c\uc6b8\uc740 \ub300\ud55c\ubbfc\uad6d\uc758 \uc218\ub3c4\uc774\ub2e4.", "\u1112\u1161\u11ab\u1100\u1173\u11af \u1100\u1161", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0644\u063a\u0629 \u062c\u0645\u064a\u0644\u0629 \u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627", "\ufdfa \ufdfb \ufb03 \ufb01 \u2126 \u212b \u1fef",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902 \u090f\u0915 \u0935\u093e\u0915\u094d\u092f", "\u0e44\u0e17\u0e22\u0e44\u0e21\u0e48\u0e21\u0e35\u0e0a\u0e48\u0e2d\u0e07\u0e27\u0e48\u0e32\u0e07", "\u05e2\u05d1\u05e8\u05d9\u05ea \u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u3300\u3316 \u33a1 \u2460 \u00bd \u2163 \u2026 \u2122",
    "\U0001f642\U0001f642 ok \U0001f1e9\U0001f1ea \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd \u2764\ufe0f", "zero\u200bwidth\u200djoiner\ufeffbom\u00adsoft", "\u0000null\u0001\u0007control\u007f\u0085\ufffd", "\ue000private \U000e0041tags \U0010ffff",
    "[CLS] [SEP] [MASK] [UNK] [PAD]", "<s> </s> <mask> <unk> a<mask>b  <mask>", "<|endoftext|>x<|im_end|>", "\u2581mark \u2581\u2581 a\u2581b", "##piece a##b", "<0x41> <0x0A>",
    "a" * 99, "a" * 101, "word" * 60, "\u4e2d" * 120, "\u0301" * 40 + "\u0316" * 40, "!?" * 60, "x\u0300\u0301\u0302" * 20, "." * 130,
    "query: how much protein should an adult eat per day", "passage: Adults need about 0.8 grams of protein.", "Instruct: Find\nQuery:text", "1" * 40, "\n" * 30, " " * 60 + "x", "  a  b  ", "I\u0307 \u1e9e \u01c5 \ufb06 \u0345",
]
rng = random.Random(26)
def block_text():
    pieces = []
    for _ in range(rng.randint(2, 9)):
        low, high = rng.choice(BLOCKS)
        pieces.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6))))
        pieces.append(rng.choice(["", " ", " ", "  ", "\n", ", ", "a", "\u0301"]))
    return "".join(pieces)
TEXTS = BY_HAND + [block_text() for _ in range(300)]

# ---------------------------------------------------------------- vocabularies
def corpus():
    words = [w for t in BY_HAND if "[" not in t and "<" not in t for w in t.split()]
    for low, high in BLOCKS[:-1]:
        words += ["".join(chr(rng.randint(low, min(high, low + 60))) for _ in range(rng.randint(1, 5))) for _ in range(60)]
    return [" ".join(rng.choice(words) for _ in range(12)) for _ in range(3_000)]
CORPUS = corpus()

def special(*names, **more): return [AddedToken(n, special=True, normalized=False, **more) for n in names]

def byte_level(steps, extra):
    t = Tokenizer(models.BPE()); t.normalizer = normalizers.NFC(); t.pre_tokenizer = pre_tokenizers.Sequence(steps); t.decoder = decoders.ByteLevel()
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=900, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.add_special_tokens(special(*extra)); last = extra[0]
    t.post_processor = processors.TemplateProcessing(single=f"$A {last}", special_tokens=[(last, t.token_to_id(last))]); return t

def word_piece(**normal):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100)); t.normalizer = normalizers.BertNormalizer(**normal); t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece(prefix="##"); names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=1_100, show_progress=False, special_tokens=special(*names), limit_alphabet=700))
    t.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[(n, t.token_to_id(n)) for n in ("[CLS]", "[SEP]")]); return t

def nmt_nfkc():
    with tempfile.TemporaryDirectory() as d:
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(["a b c d e f g"] * 20), model_prefix=f"{d}/m", vocab_size=12, model_type="unigram", normalization_rule_name="nmt_nfkc", minloglevel=2)
        from sentencepiece import sentencepiece_model_pb2 as pb
        m = pb.ModelProto(); m.ParseFromString(pathlib.Path(d, "m.model").read_bytes()); return m.normalizer_spec.precompiled_charsmap

def unigram():
    t = Tokenizer(models.Unigram()); t.normalizer = normalizers.Sequence([normalizers.Precompiled(nmt_nfkc()), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")])
    t.decoder = decoders.Metaspace(); names = ["<s>", "<pad>", "</s>", "<unk>"]
    t.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=2_500, show_progress=False, special_tokens=special(*names), unk_token="<unk>"))
    t.add_special_tokens(special("<mask>", lstrip=True))
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[(n, t.token_to_id(n)) for n in ("<s>", "</s>")]); return t

def byte_fallback(prepend):
    steps = ([normalizers.Prepend("\u2581")] if prepend else []) + [normalizers.Replace(" ", "\u2581")]
    t = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>")); t.normalizer = normalizers.Sequence(steps)
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()] + ([decoders.Strip(" ", 1, 0)] if prepend else []))
    trained = [w for line in CORPUS for w in ("\u2581" + line.replace(" ", " \u2581")).split(" ")]
    names = ["<pad>", "</s>", "<s>", "<unk>"]; bytes_ = [f"<0x{b:02X}>" for b in range(256)]; t.normalizer = None
    t.train_from_iterator(trained, trainers.BpeTrainer(vocab_size=1_200, show_progress=False, special_tokens=special(*names) + bytes_, limit_alphabet=300, initial_alphabet=["\u2581"]))
    d = json.loads(t.to_str()); d["added_tokens"] = [a for a in d["added_tokens"] if a["content"] in names]; d["model"]["byte_fallback"] = True; d["model"]["fuse_unk"] = True; d["model"]["unk_token"] = "<unk>"
    t = Tokenizer.from_str(json.dumps(d)); t.normalizer = normalizers.Sequence(steps)
    if not prepend: t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>" if prepend else "<s> $A", special_tokens=[(n, t.token_to_id(n)) for n in ("<s>", "</s>")]); return t

ZOO = {
    "byte-level-qwen": byte_level([pre_tokenizers.Split(Regex(QWEN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)], ["<|endoftext|>", "<|im_end|>"]),
    "byte-level-digits": byte_level([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)], ["<|im_end|>", "<|endoftext|>"]),
    "word-piece-uncased": word_piece(lowercase=True),
    "word-piece-cased": word_piece(lowercase=False, strip_accents=False),
    "unigram-words": unigram(),
    "byte-fallback-prefix": byte_fallback(True),
    "byte-fallback": byte_fallback(False),
}

OUT.mkdir(exist_ok=True); entries = {}
def add(name, definition, file, changes):
    t = Tokenizer.from_str(json.dumps(definition)); all_ids = [t.encode(text).ids for text in TEXTS]
    flat = [len(i) for i in all_ids] + [i for one in all_ids for i in one]
    entries[name] = {"file": file, "changes": changes, "ids": base64.b64encode(zlib.compress(struct.pack(f"<{len(flat)}H", *flat), 9)).decode()}
    print(name, t.get_vocab_size(), "tokens in the vocabulary,", sum(map(len, all_ids)), "in the texts")
for name, t in ZOO.items():
    definition = json.loads(t.to_str()); file = f"{name}.json.gz"
    with open(OUT / file, "wb") as f, gzip.GzipFile(fileobj=f, mode="wb", mtime=0, filename="") as z: z.write(json.dumps(definition, ensure_ascii=False, separators=(",", ":")).encode())
    add(name, definition, file, {})
    if name == "unigram-words":  # as newer conversions have it: one mark before the text, and no words
        changes = {"pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}}
        add("unigram-text", {**definition, **changes}, file, changes)
versions = {"tokenizers": tokenizers.__version__, "sentencepiece": sentencepiece.__version__}
(OUT / "ids.json").write_text(json.dumps({"versions": versions, "texts": TEXTS, "tokenizers": entries}, ensure_ascii=True, indent=1) + "\n")
