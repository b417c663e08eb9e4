"""Small model folders with random weights: the real shape and code path at a size that tests can afford."""

from pathlib import Path
from typing import Any

import numpy as np

from export.packed import POSITION_OFFSET, EncoderShape, write_packed_graph
from phoserve.contract import MERGES_FILE, VOCAB_FILE, ModelContract, save_contract, sha256_of

SHARED_TOKENIZER = Path(__file__).parents[3] / "shared" / "phobert"
SPECIALS = 4  # <s> <pad> </s> <unk>, before the words of vocab.txt
TINY_SHAPE = EncoderShape(dim=32, layers=2, heads=4, layer_norm_eps=1e-5, pooling="mean", normalise=True)

SYLLABLES = (
    "xin chào việt nam hà nội sài gòn công ty nhân viên nghỉ phép lương bảo hiểm mật khẩu máy tính khách hàng hỏi đáp "
    "tôi bạn có không là gì ở đâu khi nào bao nhiêu một hai ba bốn năm"
)


def write_tiny_tokenizer(folder: Path) -> None:
    """Write a vocab.txt of letters and a few syllables, and the merges that build them, in PhoBERT's format."""
    merges: dict[str, None] = {}
    pieces: dict[str, None] = {}
    for letter in sorted({letter for syllable in SYLLABLES.split() for letter in syllable}):
        pieces[letter] = pieces[letter + "@@"] = None
    for syllable in SYLLABLES.split():
        left = syllable[0]
        for position in range(1, len(syllable)):
            last = position == len(syllable) - 1
            right = syllable[position] + ("</w>" if last else "")
            merges[f"{left} {right}"] = None
            left += right
            pieces[left.removesuffix("</w>") if last else left + "@@"] = None
    (folder / VOCAB_FILE).write_text("".join(f"{piece} 1\n" for piece in pieces), encoding="utf-8")
    (folder / MERGES_FILE).write_text("".join(f"{merge} 1\n" for merge in merges), encoding="utf-8")


def write_model_folder(
    folder: Path, *, real_tokenizer: bool = False, name: str = "tiny", seed: int = 0, max_tokens: int = 256
) -> ModelContract:
    """Write a complete model folder; with `real_tokenizer` it has PhoBERT's own vocabulary, from `../shared`.

    The graph has no more positions than `max_tokens`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if real_tokenizer:
        for file in (VOCAB_FILE, MERGES_FILE):
            (folder / file).write_bytes((SHARED_TOKENIZER / file).read_bytes())
    else:
        write_tiny_tokenizer(folder)
    words = len((folder / VOCAB_FILE).read_text(encoding="utf-8").splitlines()) + SPECIALS + 1
    (folder / "onnx").mkdir(exist_ok=True)
    weights = random_weights(TINY_SHAPE, words, seed=seed)
    positions = "embeddings.position_embeddings.weight"
    weights[positions] = weights[positions][: max_tokens + POSITION_OFFSET]
    write_packed_graph(folder / "onnx" / "fp32.onnx", TINY_SHAPE, weights)
    contract = ModelContract(
        name=name,
        dim=TINY_SHAPE.dim,
        max_tokens=max_tokens,
        tokenizer_sha256=sha256_of(folder / VOCAB_FILE, folder / MERGES_FILE),
        weights_sha256=sha256_of(folder / "onnx" / "fp32.onnx"),
    )
    save_contract(contract, folder)
    return contract


def write_roberta_folder(folder: Path) -> ModelContract:
    """A small `transformers.RobertaModel` with PhoBERT's own tokenizer: exported, and as it was under `source/`."""
    import torch
    from transformers import RobertaConfig, RobertaModel

    contract = write_model_folder(folder, real_tokenizer=True, name="small-roberta")
    words = len((folder / VOCAB_FILE).read_text(encoding="utf-8").splitlines()) + SPECIALS + 1
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=words,
        hidden_size=TINY_SHAPE.dim,
        num_hidden_layers=TINY_SHAPE.layers,
        num_attention_heads=TINY_SHAPE.heads,
        intermediate_size=64,
        max_position_embeddings=258,
        type_vocab_size=1,
        pad_token_id=1,
        layer_norm_eps=TINY_SHAPE.layer_norm_eps,
        initializer_range=0.2,
    )
    model = RobertaModel(config, add_pooling_layer=False)
    model.save_pretrained(folder / "source")
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    write_packed_graph(folder / "onnx" / "fp32.onnx", TINY_SHAPE, weights)
    return contract


def random_weights(shape: EncoderShape, words: int, *, inner: int = 64, seed: int = 0) -> dict[str, Any]:
    """Weights named as in `transformers.RobertaModel`, large enough for different texts to get different vectors."""
    random = np.random.default_rng(seed)

    def normal(*size: int) -> Any:
        return random.normal(0, 0.2, size).astype(np.float32)

    def norm(name: str) -> dict[str, Any]:
        return {f"{name}.weight": 1 + normal(shape.dim), f"{name}.bias": normal(shape.dim)}

    def dense(name: str, rows: int, columns: int) -> dict[str, Any]:
        return {f"{name}.weight": normal(rows, columns), f"{name}.bias": normal(rows)}

    weights = {
        "embeddings.word_embeddings.weight": normal(words, shape.dim),
        "embeddings.position_embeddings.weight": normal(258, shape.dim),
        "embeddings.token_type_embeddings.weight": normal(1, shape.dim),
        **norm("embeddings.LayerNorm"),
    }
    for layer in range(shape.layers):
        prefix = f"encoder.layer.{layer}."
        for role in ("query", "key", "value"):
            weights |= dense(f"{prefix}attention.self.{role}", shape.dim, shape.dim)
        weights |= dense(f"{prefix}attention.output.dense", shape.dim, shape.dim)
        weights |= norm(f"{prefix}attention.output.LayerNorm")
        weights |= dense(f"{prefix}intermediate.dense", inner, shape.dim)
        weights |= dense(f"{prefix}output.dense", shape.dim, inner)
        weights |= norm(f"{prefix}output.LayerNorm")
    return weights
