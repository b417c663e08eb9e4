"""What a model folder may name that cannot be served: an error in one sentence, never silently ignored."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from export.model_folder import ExportOptions, export_model
from export.sources import Source
from phoserve.errors import ConfigurationError
from tests.support.families import write_family


def change(file: str, **changes: object) -> Callable[[Path], object]:
    def apply(folder: Path) -> object:
        path = folder / file
        found = json.loads(path.read_text()) if path.is_file() else {}
        return path.write_text(json.dumps(found | changes))

    return apply


def modules(*kinds: str) -> Callable[[Path], object]:
    entries = [{"type": kind if "." in kind else f"sentence_transformers.models.{kind}", "path": ""} for kind in kinds]
    return lambda folder: (folder / "modules.json").write_text(json.dumps(entries))


def only_onnx(folder: Path) -> None:
    (folder / "onnx").mkdir()
    (folder / "model.safetensors").rename(folder / "onnx" / "model.onnx")


def adapter(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text("{}")


def drop_shard(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


OPTIONS = "config_sentence_transformers.json"
POOLING = "1_Pooling/config.json"
REFUSED: list[tuple[Callable[[Path], object], str]] = [
    (change(OPTIONS, truncate_dim=32), "truncate_dim cannot be exported; remove it, and export with --dims 32"),
    (change(OPTIONS, similarity_fn_name="euclidean"), "compared by cosine, not by euclidean"),
    (change(POOLING, pooling_mode_mean_sqrt_len_tokens=True), "only mean, cls, max or lasttoken alone"),
    (change(POOLING, pooling_mode_cls_token=True), "pooling_mode_cls_token and pooling_mode_mean_tokens"),
    (change(POOLING, include_prompt=False), "include_prompt false"),
    (change("sentence_bert_config.json", do_lower_case=True), "do_lower_case cannot be exported"),
    (change("config.json", auto_map={"AutoModel": "modeling.Own"}), "needs code of its own"),
    (change("config.json", model_type="nonsense"), "transformers does not support"),
    (change("tokenizer_config.json", truncation_side="left"), "truncation_side 'left' cannot be served"),
    (modules("Transformer", "Pooling", "LayerNorm"), "a module that cannot be exported: LayerNorm"),
    (modules("custom_st.Transformer", "Pooling"), "a module that cannot be exported: custom_st.Transformer"),
    (modules("Transformer", "Normalize", "Pooling"), "the order Transformer, Normalize, Pooling"),
    (modules("Transformer", "Dense", "Pooling"), "only be exported between Pooling and Normalize"),
    (only_onnx, "its ONNX graphs cannot be served"),
    (adapter, "merge it into its base model first"),
    (drop_shard, "names shards that are missing: model-00002-of-00002.safetensors"),
    (lambda folder: (folder / "tokenizer.json").unlink(), "no usable tokenizer"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("spoil", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_what_cannot_be_served_is_refused(tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
    write_family(tmp_path / "source", "xlm-roberta")
    spoil(tmp_path / "source")
    with pytest.raises(ConfigurationError) as caught:
        export_model(Source(tmp_path / "source", "model"), tmp_path / "target")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize(
    ("family", "name", "options", "message"),
    [
        ("bert", "model", ExportOptions(task="rerank"), "needs token types"),
        ("xlm-roberta", "intfloat/multilingual-e5-small", ExportOptions(), "E5 models are trained with prefixes"),
        ("xlm-roberta", "model", ExportOptions(dims=(64,)), "between 1 and 63"),
        ("xlm-roberta", "model", ExportOptions(max_tokens=4096), "the most this model takes"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path, family: str, name: str, options: ExportOptions, message: str
) -> None:
    write_family(tmp_path / "source", family)
    with pytest.raises(ConfigurationError, match=message):
        export_model(Source(tmp_path / "source", name), tmp_path / "target", options)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
