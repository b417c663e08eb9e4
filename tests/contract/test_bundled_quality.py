"""The committed encoder still retrieves: a floor under its measured figures, on the labelled sets where they are."""

from pathlib import Path

import numpy as np
import pytest

import export.bundled
from phoserve.contract import MERGES_FILE, VOCAB_FILE, load_contract, sha256_of
from training.labelled import load_set
from training.quality import Corpus, Encoder, find, measure

BUNDLED = Path(export.bundled.__path__[0])
EVALUATION = Path(__file__).parents[3] / "shared" / "data" / "eval"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(BUNDLED)


@pytest.mark.skipif(not EVALUATION.is_dir(), reason="the labelled sets are not beside the checkout")
def test_it_reaches_its_floor_and_helps_bm25(encoder: Encoder) -> None:
    labelled = load_set(EVALUATION, "viquad_test")
    found = find(encoder, labelled.queries, Corpus(encoder, labelled.passages))
    figures = measure(found, labelled, encoder.pipeline.contract.fusion)
    assert figures["dense"]["ndcg@10"].mean >= 0.74
    assert figures["hybrid"]["ndcg@10"].mean > figures["lexical"]["ndcg@10"].mean


def test_meaning_without_shared_words(encoder: Encoder) -> None:
    passages = [
        "Nhân viên được nghỉ phép năm hưởng nguyên lương mười hai ngày.",
        "Bác sĩ khuyên bệnh nhân uống thuốc đúng giờ.",
        "Đội tuyển ghi hai bàn thắng trong trận chung kết.",
        "Giá xăng dầu trong nước giảm từ chiều nay.",
    ]
    queries = ["cầu thủ bóng đá sút tung lưới", "điều trị ở bệnh viện", "nhiên liệu rẻ hơn"]
    scores = encoder.embed(queries) @ encoder.embed(passages).T
    assert scores.argmax(axis=1).tolist() == [2, 1, 3]


def test_alone_or_among_others_a_text_has_the_same_vector(encoder: Encoder) -> None:
    texts = ["Hà Nội", "", "🙂", "<mask> </s>", "một hai ba " * 400, "thủ đô của Việt Nam ở đâu?"]
    together = encoder.embed(texts)
    assert np.array_equal(together, np.concatenate([encoder.embed([text]) for text in texts]))
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)


def test_the_contract_matches_the_files_and_their_size_is_kept() -> None:
    contract = load_contract(BUNDLED)
    assert contract.tokenizer_sha256 == sha256_of(BUNDLED / VOCAB_FILE, BUNDLED / MERGES_FILE)
    graphs = [BUNDLED / "onnx" / f"{precision}.onnx" for precision in contract.precisions]
    assert contract.weights_sha256 == sha256_of(*graphs)
    assert sum(path.stat().st_size for path in BUNDLED.rglob("*") if path.suffix != ".pyc") <= 20_000_000
