"""Export of tiny checkpoints: parity of the graphs, one-line errors for a wrong source, and no leftovers."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from export import model_folder, quantize
from export.checkpoint import load_checkpoint
from export.graph import Array, GraphWriter
from export.model_folder import ExportOptions, export_model
from export.packed import EncoderShape, Linear, exact_linear, write_packed_graph
from export.parity import Parity, cosine, parity_texts, reference_vectors, tokenize_texts
from export.retrieval import LabelledSet, load_labelled, retrieval_ndcg
from export.sources import Source, find_source
from phoserve.contract import MERGES_FILE, VOCAB_FILE, load_contract
from phoserve.errors import ConfigurationError
from phoserve.serving.onnx import OnnxEncoder
from phoserve.text import TextPipeline
from tests.support.checkpoint import write_checkpoint

TARGET = "exported"


@pytest.fixture(autouse=True)
def _few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_folder, "parity_texts", lambda: parity_texts(24))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "source")
    return tmp_path / "source"


def export(source: Path, **options: bool) -> Path:
    target = source.parent / TARGET
    export_model(find_source(str(source)), target, ExportOptions(**options))  # type: ignore[arg-type]
    return target


@pytest.mark.parametrize(("mode", "pooling"), [(None, "mean"), ("mean_tokens", "mean"), ("cls_token", "cls")])
def test_graphs_are_the_model_whatever_the_pooling(tmp_path: Path, mode: str | None, pooling: str) -> None:
    write_checkpoint(tmp_path / "source", pooling=mode)
    folder = export(tmp_path / "source")
    contract = load_contract(folder)
    assert contract.pooling == pooling
    assert contract.precisions == ("fp32", "int8")
    texts = tokenize_texts(TextPipeline.load(folder), parity_texts(40))
    reference = reference_vectors(load_checkpoint(tmp_path / "source"), texts)
    encoder = OnnxEncoder(folder / "onnx" / "fp32.onnx")
    lengths = np.array([len(ids) for ids in texts], np.int32)
    vectors = encoder.encode(np.concatenate(texts), lengths)
    assert cosine(vectors, reference).min() >= 0.99999
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_with_gpu_the_padded_graphs_come_too(checkpoint: Path) -> None:
    folder = export(checkpoint, gpu=True)
    assert load_contract(folder).precisions == ("fp32", "int8", "fp16")
    assert {path.name for path in (folder / "onnx").iterdir()} == {"fp32.onnx", "int8.onnx", "fp16.onnx", "plain.onnx"}
    assert "| fp16 | " in (folder / "README.md").read_text(encoding="utf-8")


def test_int8_vectors_do_not_depend_on_company(checkpoint: Path) -> None:
    folder = export(checkpoint)
    encoder = OnnxEncoder(folder / "onnx" / "int8.onnx")
    texts = tokenize_texts(TextPipeline.load(folder), parity_texts(24))
    lengths = np.array([len(ids) for ids in texts], np.int32)
    together = encoder.encode(np.concatenate(texts), lengths)
    alone = np.concatenate([encoder.encode(ids, lengths[[index]]) for index, ids in enumerate(texts)])
    assert cosine(together, alone).min() >= 0.9999


def test_a_precision_that_fails_its_gate_is_left_out_and_told(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def coarse(graph: GraphWriter, x: str, name: str, weight: Array, **_: int) -> str:
        return exact_linear(graph, x, name, np.sign(weight).astype(np.float32))

    monkeypatch.setattr(quantize, "int8_linear", coarse)
    monkeypatch.setattr(model_folder, "int8_schemes", lambda **_: (quantize.Int8Scheme(7),))
    folder = export(checkpoint)
    assert load_contract(folder).precisions == ("fp32",)
    assert not (folder / "onnx" / "int8.onnx").exists()
    assert "| no |" in (folder / "README.md").read_text(encoding="utf-8")


def write_labelled(folder: Path) -> LabelledSet:
    texts = parity_texts(40)[2:]
    (folder / "corpus.jsonl").write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in enumerate(texts)))
    queries = [json.dumps({"query": text, "positive_id": index}) for index, text in enumerate(texts)]
    (folder / "queries.jsonl").write_text("\n".join(queries))
    return load_labelled(folder / "queries.jsonl", folder / "corpus.jsonl")


def test_retrieval_is_compared_where_there_is_a_labelled_set(checkpoint: Path, tmp_path: Path) -> None:
    labelled = write_labelled(tmp_path)
    table = export_model(find_source(str(checkpoint)), tmp_path / TARGET, labelled=labelled)
    assert abs(table[1].ndcg_loss) <= 0.01
    # A text that is its own query is found by its own vector.
    graph = tmp_path / TARGET / "onnx" / "fp32.onnx"
    assert retrieval_ndcg(graph, TextPipeline.load(tmp_path / TARGET), labelled) > 0.95


def test_a_precision_that_finds_less_is_not_served() -> None:
    assert Parity("int8", mean=0.999, worst=0.99, batch_invariance=1.0, texts=1, ndcg_loss=0.01).passed
    assert not Parity("int8", mean=0.999, worst=0.99, batch_invariance=1.0, texts=1, ndcg_loss=0.011).passed


def test_a_labelled_set_of_another_shape_is_told(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"key": 1}')
    with pytest.raises(ConfigurationError, match="labelled set"):
        load_labelled(tmp_path / "corpus.jsonl", tmp_path / "corpus.jsonl")


def spoil_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def drop_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def drop_tokenizer(folder: Path) -> None:
    (folder / MERGES_FILE).unlink()


def swap_tokenizer(folder: Path) -> None:
    path = folder / VOCAB_FILE
    path.write_text(path.read_text(encoding="utf-8") + "".join(f"more{index} 1\n" for index in range(9)), "utf-8")


def pool_by_square_root(folder: Path) -> None:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_sqrt_len_tokens": true}')


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda folder: spoil_config(folder, model_type="nonsense"),
            "model_type 'nonsense', which transformers does not",
        ),
        (lambda folder: spoil_config(folder, auto_map={"AutoModel": "own.Model"}), "needs code of its own"),
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: (folder / "config.json").write_text("{"), "damaged"),
        (cut_weights, "are the files complete"),
        (drop_weights, "has no weights"),
        (drop_tokenizer, "has no bpe.codes"),
        (swap_tokenizer, "does not belong to the model"),
        (pool_by_square_root, "only mean, cls, max or lasttoken"),
        (lambda folder: spoil_config(folder, num_hidden_layers=3), "lack 16 tensors"),
    ],
)
def test_a_wrong_source_is_told_in_one_line_and_leaves_nothing(checkpoint: Path, spoil, told: str) -> None:  # type: ignore[no-untyped-def]
    spoil(checkpoint)
    with pytest.raises(ConfigurationError, match=told) as caught:
        export(checkpoint)
    assert "\n" not in str(caught.value)
    assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all"])
def test_a_folder_that_is_not_there(name: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        find_source(name)


def test_a_name_that_can_be_no_hub_id() -> None:
    with pytest.raises(ConfigurationError, match="neither a folder nor a hub id"):
        find_source("not a/valid/id")


def test_too_little_room_is_told_before_anything_is_written(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(checkpoint)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(ConfigurationError, match="disk is too full"):
        export(checkpoint)
    assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]


def test_an_interrupted_export_is_taken_up_where_it_stopped(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(model_folder, "measure", interrupt)
        with pytest.raises(KeyboardInterrupt):
            export(checkpoint)
    assert not (checkpoint.parent / TARGET).exists()
    written: list[str] = []

    def write(path: Path, shape: EncoderShape, weights: Mapping[str, Array], linear: Linear) -> None:
        written.append(path.name)
        write_packed_graph(path, shape, weights, linear)

    monkeypatch.setattr(model_folder, "write_packed_graph", write)
    export(checkpoint)
    assert written == ["int8.onnx"]


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_what_stands_at_the_target_is_not_overwritten(checkpoint: Path) -> None:
    export(checkpoint)
    with pytest.raises(ConfigurationError, match="already exists"):
        export_model(Source(checkpoint, "again"), checkpoint.parent / TARGET)
