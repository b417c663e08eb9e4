"""The whole recipe on a made-up language of facts: small, but every step of it real."""

import gzip
import json
import lzma
from pathlib import Path

import numpy as np
import pytest

from phoserve.contract import Fusion, load_contract
from phoserve.errors import ConfigurationError
from training.bundle import ship
from training.corpus import TokenisedDocument
from training.labelled import load_held_out
from training.pairs import PairRecipe, make_pairs
from training.quality import Encoder
from training.recipe import Recipe, TrainingStage, make
from training.static import Schedule
from training.tables import Trial, choose_fusion

THINGS = [
    "cà phê",
    "lúa gạo",
    "hồ tiêu",
    "cao su",
    "chè xanh",
    "tôm hùm",
    "cá tra",
    "xoài cát",
    "thanh long",
    "vải thiều",
]
PLACES = ["Đắk Lắk", "An Giang", "Gia Lai", "Bình Phước", "Thái Nguyên", "Khánh Hoà", "Đồng Tháp", "Tiền Giang"]
SECRET = "Câu này nằm nguyên văn trong bộ đánh giá nên không được phép dùng để huấn luyện mô hình"
SMALL = Recipe(
    vocabulary=400,
    merges=300,
    dim=32,
    stages=(
        TrainingStage(Schedule(batch=32, run=4, warm_up=2)),
        TrainingStage(Schedule(batch=32, run=4, warm_up=2, topics=4), part=0.8),
    ),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "train").mkdir()
    (folder / "eval").mkdir()
    random = np.random.default_rng(0)
    lines = [{"title": "Bí mật", "lead": SECRET, "body": "Không ai được đọc bài này."}]
    for _ in range(300):
        thing, place = random.choice(THINGS), random.choice(PLACES)
        body = f"Người dân {place} bán {thing} sang nhiều nước. Giá {thing} năm nay tăng. Nhà vườn ở {place} rất vui."
        lines.append({"title": f"{thing} của {place}", "lead": f"Mùa {thing} ở {place} bắt đầu.", "body": body})
    lines.insert(0, {"title": "Câu đố", "body": "Bài đầu tiên trong một trăm bài được giữ lại, không ai học nó."})
    with lzma.open(folder / "train" / "news.jsonl.xz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    with gzip.open(folder / "eval" / "corpus_x.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps({"id": "1", "title": "", "text": SECRET}) + "\n")
    return folder


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    notes: list[str] = []
    target = tmp_path_factory.mktemp("model")
    make(SMALL, data, target, note=notes.append)
    return target, notes


def test_the_model_finds_what_a_question_is_about(made: tuple[Path, list[str]]) -> None:
    encoder = Encoder(made[0])
    passages = [f"Giá {thing} tăng, nông dân phấn khởi." for thing in THINGS]
    scores = encoder.embed([f"{thing} là gì?" for thing in THINGS]) @ encoder.embed(passages).T
    assert (scores.argmax(axis=1) == np.arange(len(THINGS))).mean() >= 0.9


def test_documents_of_the_evaluation_sets_are_dropped(made: tuple[Path, list[str]]) -> None:
    assert any("segmented 297; 1 shared text" in line for line in made[1])
    assert "nguyên_văn" not in (made[0] / "vocab.txt").read_text(encoding="utf-8")


def test_what_is_shipped_is_the_byte_graph_alone(made: tuple[Path, list[str]], tmp_path: Path) -> None:
    contract = ship(made[0], tmp_path, fusion=Fusion(dense=0.4, lexical=0.6))
    assert load_contract(tmp_path) == contract
    assert [path.name for path in (tmp_path / "onnx").iterdir()] == ["int8.onnx"]
    text = ["cà phê của Đắk Lắk"]
    assert np.array_equal(Encoder(tmp_path).embed(text), Encoder(made[0], precision="int8").embed(text))


def test_punctuation_says_nothing(made: tuple[Path, list[str]]) -> None:
    encoder = Encoder(made[0])
    plain, marked = encoder.embed(["cà phê của Đắk Lắk", "cà phê , của ; Đắk Lắk ."])
    assert np.allclose(plain, marked, atol=1e-6)


def test_every_hundredth_document_is_held_out(made: tuple[Path, list[str]], data: Path) -> None:
    assert "một_trăm" not in (made[0] / "vocab.txt").read_text(encoding="utf-8")
    held_out = load_held_out(data / "train")
    assert held_out.queries[0] == "Câu đố"
    assert len(held_out.passages) == 4


def test_two_views_of_a_sentence_are_a_pair_of_their_own() -> None:
    sentence = np.arange(100, 130, dtype=np.int32)
    document = TokenisedDocument(np.array([1, 2], np.int32), [[sentence, sentence + 100]])
    pairs = list(make_pairs([document, document], [], PairRecipe(views=2), seed=0))
    views = [pair for pair in pairs if pair.document < 0]
    assert len({pair.document for pair in views}) == len(views) == 4
    for pair in views:
        assert {*pair.query.tolist()} | {*pair.passage.tolist()} <= {*sentence.tolist(), *(sentence + 100).tolist()}
        assert set(pair.query) & set(pair.passage)
        assert set(pair.query) != set(pair.passage)


def test_the_contract_names_what_was_made(made: tuple[Path, list[str]]) -> None:
    contract = load_contract(made[0])
    assert (contract.dim, contract.pooling, contract.modern_tones) == (32, "sqrt_tf", True)
    assert all((made[0] / "onnx" / f"{precision}.onnx").is_file() for precision in contract.precisions)


def test_both_precisions_agree(made: tuple[Path, list[str]]) -> None:
    texts = ["Cà phê ở Gia Lai", "Giá hồ tiêu năm nay", "", "🙂"]
    exact, bytes_ = (Encoder(made[0], precision=precision).embed(texts) for precision in ("fp32", "int8"))
    assert (exact * bytes_).sum(axis=1) == pytest.approx(np.ones(len(texts)), abs=2e-3)


def test_the_same_seed_makes_the_same_model(data: Path, made: tuple[Path, list[str]], tmp_path: Path) -> None:
    make(SMALL, data, tmp_path, note=lambda _: None)
    assert load_contract(tmp_path).fingerprint == load_contract(made[0]).fingerprint


def test_without_training_data_it_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="train"):
        make(SMALL, tmp_path, tmp_path / "model", note=lambda _: None)


def test_the_weight_helps_the_held_out_without_harming_the_hard() -> None:
    trials = [Trial(0.2, hard=0.43, held_out=0.80), Trial(0.3, hard=0.42, held_out=0.84), Trial(0.4, 0.40, 0.90)]
    assert choose_fusion(trials, bm25=0.41) == 0.3
    assert choose_fusion(trials, bm25=0.5) == 0.2
