"""Distillation from a PhoBERT-shaped folder, here a tiny one with random weights."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import RobertaConfig, RobertaModel

from phoserve.errors import ConfigurationError
from phoserve.text.bpe import WordPieces
from training.bags import PairBags
from training.composition import composition
from training.corpus import Tokens
from training.distil import FolderTeacher
from training.pairs import Pair
from training.static import Schedule, train
from training.tokenizer import learn, save

TEXTS = ["học_sinh đi học ở trường đại_học", "Hà_Nội có nhiều hồ đẹp", "giá cà_phê tăng mạnh", "trời mưa to ở Huế"] * 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("teacher")
    pieces = save(made, learn(TEXTS, 80), Counter(" ".join(TEXTS).split()), size=200)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    RobertaModel(RobertaConfig(vocab_size=len(pieces) + 5, pad_token_id=1, **shape)).save_pretrained(made)
    return made


def pieces_of(folder: Path) -> list[str]:
    return [line.split()[0] for line in (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()]


def ids_of(folder: Path) -> list[Tokens]:
    batch = WordPieces(folder).encode(TEXTS, max_tokens=64)
    return [batch.ids[start + 1 : end - 1] for start, end in zip(batch.offsets[:-1], batch.offsets[1:], strict=True)]


def test_tokens_are_spelled_out_as_the_text_they_came_from(folder: Path) -> None:
    teacher = FolderTeacher(folder, pieces_of(folder))
    assert [teacher.spell_out(ids) for ids in ids_of(folder)] == TEXTS


def test_vectors_keep_the_order_of_the_texts_and_have_unit_length(folder: Path) -> None:
    teacher = FolderTeacher(folder, pieces_of(folder))
    texts = ids_of(folder)[:4]
    vectors = teacher(texts)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        assert teacher([text])[0] == pytest.approx(vector, abs=1e-5)


def test_the_table_learns_the_teachers_view(folder: Path) -> None:
    pieces, texts = pieces_of(folder), ids_of(folder)
    random = np.random.default_rng(0)
    pairs = [Pair(text[random.random(len(text)) < 0.7], text, index % 4) for index, text in enumerate(texts * 20)]
    pairs = [pair for pair in pairs if len(pair.query)]
    losses: list[float] = []
    bags = PairBags(pairs, len(pieces) + 4, FolderTeacher(folder, pieces))
    assert bags.teacher is not None
    schedule = Schedule(batch=32, run=1, warm_up=2)
    table = train(bags, composition(pieces), 16, schedule, seed=0, report=lambda *state: losses.append(state[2]))
    assert table.shape == (len(pieces) + 4, 16)
    assert losses[-1] < losses[0]


def test_the_pooling_file_decides(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "teacher"
    shutil.copytree(folder, copy)
    (copy / "1_Pooling").mkdir()
    settings = copy / "1_Pooling" / "config.json"
    texts = ids_of(folder)[:2]
    settings.write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    first_token = FolderTeacher(copy, pieces_of(folder))(texts)
    assert not np.allclose(first_token, FolderTeacher(folder, pieces_of(folder))(texts), atol=1e-3)
    settings.write_text(json.dumps({"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": False}))
    with pytest.raises(ConfigurationError, match="other than mean or cls"):
        FolderTeacher(copy, pieces_of(folder))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="PhoBERT-shaped"):
        FolderTeacher(tmp_path, [])
