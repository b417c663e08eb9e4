"""Small checkpoints with random weights, of the families that are exported, as sentence-transformers saves them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from export.parity import SENTENCES

HIDDEN = 64
WORDS = 400
SHAPE = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "initializer_range": 0.1,
}


def write_family(
    folder: Path,
    family: str,
    *,
    pooling: str | None = "mean",
    dense: int | None = None,
    options: Mapping[str, Any] | None = None,
    shard: bool = False,
    labels: int | None = None,
    **changes: Any,
) -> Path:
    """Write a model of `family` with a tokenizer of its own; `options` go to `config_sentence_transformers.json`."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    tokenizer = _tokenizer(family)
    tokenizer.save_pretrained(folder)
    config = _config(family, len(tokenizer), tokenizer.pad_token_id, labels=labels, **changes)
    kind = transformers.AutoModel if labels is None else transformers.AutoModelForSequenceClassification
    model = kind.from_config(config)
    model.save_pretrained(folder, max_shard_size="100KB" if shard else "5GB")
    if pooling is not None:
        _write_modules(folder, pooling, dense)
    if options is not None:
        (folder / "config_sentence_transformers.json").write_text(json.dumps(options))
    return folder


def _config(family: str, words: int, pad: int, *, labels: int | None, **changes: Any) -> Any:
    own: dict[str, Any] = {"vocab_size": words, "pad_token_id": pad, **SHAPE}
    if family in ("xlm-roberta", "roberta"):
        own |= {"max_position_embeddings": 130, "type_vocab_size": 1}
    elif family == "bert":
        own |= {"max_position_embeddings": 128}
    elif family == "modernbert":
        own |= {"max_position_embeddings": 128, "local_attention": 16, "global_attn_every_n_layers": 2}
        own |= {"reference_compile": False, "cls_token_id": 0, "sep_token_id": 2, "bos_token_id": 0, "eos_token_id": 2}
    elif family == "qwen3":
        own |= {"max_position_embeddings": 128, "num_key_value_heads": 2, "head_dim": 16}
    if labels is not None:
        own["num_labels"] = labels
    return transformers.AutoConfig.for_model(family, **(own | changes))


def _tokenizer(family: str) -> Any:
    """A byte-pair encoding of a few sentences with the special tokens of the family."""
    start, end, pad, unknown = (
        ("[CLS]", "[SEP]", "[PAD]", "[UNK]")
        if "bert" in family[-10:] and "ro" not in family
        else ("<s>", "</s>", "<pad>", "<unk>")
    )
    tokenizer = Tokenizer(models.BPE(unk_token=None if family == "qwen3" else unknown))
    tokenizer.normalizer = normalizers.NFC()
    alphabet: list[str] = []
    if family == "qwen3":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = [start, pad, end, unknown]
    trainer = trainers.BpeTrainer(vocab_size=WORDS, special_tokens=specials, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in (start, end)]
    if family == "qwen3":  # as Qwen3-Embedding: nothing before, the end of the text after
        tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {end}", special_tokens=ids[1:])
    else:
        pair = f"{start} $A {end} {end} $B {end}" if start == "<s>" else f"{start} $A {end} $B:1 {end}:1"
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{start} $A {end}", pair=pair, special_tokens=ids
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=start,
        eos_token=end,
        cls_token=start,
        sep_token=end,
        pad_token=pad,
        unk_token=unknown,
        model_max_length=128,
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
    )


def _write_modules(folder: Path, pooling: str, dense: int | None) -> None:
    kinds = ["Transformer", "Pooling", *(["Dense"] if dense else []), "Normalize"]
    paths = ["", *(f"{index}_{kind}" for index, kind in enumerate(kinds) if index)]
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    for path in paths[1:]:
        (folder / path).mkdir()
    modes = {f"pooling_mode_{mode}": False for mode in ("cls_token", "mean_tokens", "max_tokens", "lasttoken")}
    names = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens", "last": "lasttoken"}
    modes[f"pooling_mode_{names[pooling]}"] = True
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": HIDDEN, **modes}))
    if dense:
        activation = "torch.nn.modules.activation.Tanh"
        config = {"in_features": HIDDEN, "out_features": dense, "bias": True, "activation_function": activation}
        (folder / "2_Dense" / "config.json").write_text(json.dumps(config))
        weights = {"linear.weight": torch.randn(dense, HIDDEN) * 0.2, "linear.bias": torch.randn(dense) * 0.1}
        save_file(weights, folder / "2_Dense" / "model.safetensors")
