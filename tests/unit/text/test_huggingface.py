from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from phoserve.contract import TOKENIZER_FILE, InputType, ModelContract, save_contract
from phoserve.errors import ConfigurationError
from phoserve.text import Chunker, TextPipeline
from phoserve.text.huggingface import HuggingFaceTokenizer
from phoserve.text.pairs import PairPipeline

TEXTS = ["Hà Nội là thủ đô của Việt Nam.", "Nhân viên được nghỉ phép mười hai ngày mỗi năm.", "xin chào"]
MAX_TOKENS = 16
TEMPLATES = {"both ends": "<s> $A </s>", "end only": "$A </s>", "none": "$A"}


def write_tokenizer(folder: Path, template: str = TEMPLATES["both ends"]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=200, special_tokens=specials))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template, pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    contract = ModelContract(
        name="any",
        dim=8,
        tokenizer="huggingface",
        segmenter="none",
        max_tokens=MAX_TOKENS,
        query_prefix="hỏi: ",
        tokenizer_sha256="a" * 64,
        weights_sha256="b" * 64,
    )
    save_contract(contract, folder)
    return tokenizer


@pytest.fixture(scope="module", params=list(TEMPLATES.values()), ids=list(TEMPLATES))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[TextPipeline, Tokenizer]:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = write_tokenizer(folder, request.param)
    tokenizer.enable_truncation(MAX_TOKENS)
    return TextPipeline.load(folder), tokenizer


@given(texts=st.lists(st.text(alphabet="hà nội xin chào\n 12.🙂", max_size=60), max_size=5))
def test_ids_are_those_of_the_library(both: tuple[TextPipeline, Tokenizer], texts: list[str]) -> None:
    pipeline, tokenizer = both
    batch = pipeline.encode(texts)
    expected = tokenizer.encode_batch(texts)
    rows = [batch.ids[start:end].tolist() for start, end in zip(batch.offsets, batch.offsets[1:], strict=False)]
    assert rows == [encoding.ids for encoding in expected]
    assert batch.truncated.tolist() == [bool(encoding.overflowing) for encoding in expected]
    assert (np.diff(batch.offsets) == np.minimum(pipeline.count_tokens(texts), MAX_TOKENS)).all()


def test_prefixes_are_put_before_queries(both: tuple[TextPipeline, Tokenizer]) -> None:
    pipeline, tokenizer = both
    assert pipeline.encode(["xin"], InputType.QUERY).ids.tolist() == tokenizer.encode("hỏi: xin").ids


def test_a_lone_surrogate_is_replaced(both: tuple[TextPipeline, Tokenizer]) -> None:
    pipeline, tokenizer = both
    assert pipeline.encode(["xin \ud800"]).ids.tolist() == tokenizer.encode("xin ?").ids


def test_words_have_the_tokens_of_the_text(both: tuple[TextPipeline, Tokenizer]) -> None:
    pipeline, _ = both
    words = pipeline.words(TEXTS[1])
    assert [TEXTS[1][word.start : word.end] for word in words] == TEXTS[1].split()
    specials = pipeline.count_tokens([""])[0]
    assert sum(word.tokens for word in words) == pipeline.count_tokens([TEXTS[1]])[0] - specials


def test_chunks_fit_the_model(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    pipeline = TextPipeline.load(tmp_path)
    chunks = list(Chunker(pipeline).chunk(" ".join(TEXTS * 10)))
    assert len(chunks) > 5
    assert max(pipeline.count_tokens([chunk.text for chunk in chunks])) <= MAX_TOKENS


def test_pairs_lose_the_end_of_the_longer_text(tmp_path: Path) -> None:
    tokenizer = write_tokenizer(tmp_path)
    pairs = [("xin chào", TEXTS[1] * 3), (TEXTS[1] * 3, "xin chào"), ("xin", "chào")]
    batch = PairPipeline(TextPipeline.load(tmp_path)).encode(pairs)
    tokenizer.enable_truncation(MAX_TOKENS, strategy="longest_first")
    rows = [batch.ids[start:end].tolist() for start, end in zip(batch.offsets, batch.offsets[1:], strict=False)]
    assert rows == [encoding.ids for encoding in tokenizer.encode_batch(pairs)]
    assert batch.truncated.tolist() == [True, True, False]


def test_a_damaged_tokenizer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / TOKENIZER_FILE).write_text("{}")
    with pytest.raises(ConfigurationError, match=r"tokenizer\.json is not a tokenizer"):
        HuggingFaceTokenizer(tmp_path)
