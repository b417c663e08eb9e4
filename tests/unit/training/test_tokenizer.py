from collections import Counter
from pathlib import Path

import pytest

from phoserve.text.bpe import UNK, WordPieces
from training.tokenizer import learn, save

TEXTS = [
    "học_sinh đi học ở trường đại_học",
    "Sinh_viên đi học , học_sinh đi chơi .",
    "đại_học Hà_Nội ( thành_lập 1906 )",
] * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tokenizer")
    save(made, learn(TEXTS, 60), Counter(" ".join(TEXTS).split()), size=200)
    return made


def test_the_files_load_and_cover_the_text_they_were_learnt_from(folder: Path) -> None:
    batch = WordPieces(folder).encode(TEXTS, max_tokens=64)
    assert UNK not in batch.ids
    assert not batch.truncated.any()


def test_the_reference_tokenizer_reads_them_alike(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    reference = transformers.PhobertTokenizer(str(folder / "vocab.txt"), str(folder / "bpe.codes"))
    batch = WordPieces(folder).encode(TEXTS, max_tokens=64)
    for index, text in enumerate(TEXTS):
        assert batch.ids[batch.offsets[index] : batch.offsets[index + 1]].tolist() == reference(text)["input_ids"]


def test_the_same_texts_give_the_same_files(folder: Path, tmp_path: Path) -> None:
    save(tmp_path, learn(TEXTS, 60), Counter(" ".join(TEXTS).split()), size=200)
    for name in ("vocab.txt", "bpe.codes"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
