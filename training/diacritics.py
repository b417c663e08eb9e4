"""Count syllables in context and write the model that puts diacritics back (`phoserve.text.diacritics`).

`python -m training diacritics`. The model is a trigram model of syllables with absolute discounting (Ney, Essen and
Kneser 1994), pruned to the n-grams that change probabilities most.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoserve.text.diacritics import (
    BOUNDARY,
    NUMBER,
    STEP,
    UNKNOWN,
    SyllableModel,
    pack_keys,
    save_syllable_model,
    tokens_of,
)
from phoserve.text.folding import fold
from phoserve.text.tones import modern_tones
from training.corpus import is_held_out, read_documents
from training.labelled import evaluation_texts
from training.leakage import LeakageFilter

SPECIALS: Final = (BOUNDARY, NUMBER, UNKNOWN)
DISCOUNT: Final = 0.75
LEAST_ACCENTED: Final = 5
LEAST_PLAIN: Final = 20
LEAST_BIGRAM: Final = 3
LEAST_TRIGRAM: Final = 4
RAREST_SHARE: Final = 3e-4
"""Of the spellings of a folded syllable: what is rarer is a typing error of the texts."""

Ids = NDArray[np.int64]
Logs = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many n-grams are kept."""

    bigrams: int = 1_000_000
    trigrams: int = 1_400_000


def write_model(data: Path, target: Path, sizes: Sizes | None = None) -> int:
    """Train on the documents of `data`/train and write the model; return its size in bytes.

    Documents that share text with the evaluation sets are left out, and those held out from all training.
    """
    documents = list(read_documents(sorted((data / "train").glob("*.jsonl.xz"))))
    texts = [unicodedata.normalize("NFC", document.text) for document in documents]
    leaks = LeakageFilter(evaluation_texts(data / "eval")).leaks(texts)
    kept = [text for at, (text, leak) in enumerate(zip(texts, leaks, strict=True)) if not leak and not is_held_out(at)]
    save_syllable_model(build(*count(kept), sizes or Sizes()), target)
    return target.stat().st_size


def count(texts: Iterable[str]) -> tuple[list[str], Ids]:
    """Return the vocabulary, most frequent first behind the special tokens, and all texts as ids, one after another."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    parts = [np.fromiter(map(numbers.__getitem__, (*tokens_of(text), BOUNDARY)), np.int32) for text in texts]
    flat = np.concatenate(parts)
    spelled = [modern_tones(token) for token in numbers]
    total: Counter[str] = Counter()
    for token, times in zip(spelled, np.bincount(flat, minlength=len(spelled)).tolist(), strict=True):
        total[token] += times
    vocabulary = [*SPECIALS, *_kept(total)]
    position = {token: index for index, token in enumerate(vocabulary)}
    renumbered = np.array([position.get(token, position[UNKNOWN]) for token in spelled], np.int64)
    return vocabulary, renumbered[flat]


def build(vocabulary: list[str], ids: Ids, sizes: Sizes) -> SyllableModel:
    """Return the pruned model of the texts in `ids`."""
    size = len(vocabulary)
    ones = np.bincount(ids, minlength=size).astype(np.float64)
    single = np.log(np.maximum(ones, 0.5) / len(ids))
    keys, times = np.unique(ids[:-1] * size + ids[1:], return_counts=True)
    before, after = keys // size, keys % size
    follow = np.bincount(before, minlength=size)
    rest = np.log(np.maximum(DISCOUNT * follow, 0.5) / np.maximum(ones, 1.0))
    pair = np.log(np.maximum(times - DISCOUNT, 0) / ones[before] + np.exp(rest[before] + single[after]))
    gain = times * np.abs(pair - rest[before] - single[after])
    kept = _largest(gain, times >= LEAST_BIGRAM, sizes.bigrams)
    triple_keys, triples = _triples(ids, keys, times, pair, kept, vocabulary, sizes.trigrams)
    return SyllableModel(
        vocabulary=" ".join(vocabulary),
        single=_quantised(single),
        rest=_quantised(rest),
        pair_keys=pack_keys(keys[kept]),
        pairs=_quantised(pair[kept]),
        triple_keys=pack_keys(triple_keys),
        triples=_quantised(triples),
    )


def _triples(
    ids: Ids, keys: Ids, times: Ids, pair: Logs, kept: Ids, vocabulary: list[str], most: int
) -> tuple[Ids, Logs]:
    """Keys and log probabilities of the triples that differ most from their pair; their context is a kept pair."""
    size = len(vocabulary)
    triples, thrice = np.unique((ids[:-2] * size + ids[1:-1]) * size + ids[2:], return_counts=True)
    enough = thrice >= LEAST_TRIGRAM
    triples, thrice = triples[enough], thrice[enough]
    context, last = np.searchsorted(keys, triples // size), triples % size
    lower = pair[np.searchsorted(keys, triples % (size * size))]
    distinct = np.bincount(context, minlength=len(keys))
    left = DISCOUNT * distinct[context] / times[context]
    log = np.log((thrice - DISCOUNT) / times[context] + left * np.exp(lower))
    place = np.full(len(keys), -1)
    place[kept] = np.arange(len(kept))
    allowed = _ambiguous(vocabulary)[last] & (place[context] >= 0)
    best = _largest(thrice * np.abs(log - lower), allowed, most)
    return place[context[best]] * size + last[best], log[best]


def _kept(total: Counter[str]) -> list[str]:
    groups: Counter[str] = Counter()
    for token, times in total.items():
        groups[fold(token)] += times

    def is_kept(token: str, times: int) -> bool:
        least = LEAST_PLAIN if token.isascii() else LEAST_ACCENTED
        return times >= least and times >= RAREST_SHARE * groups[fold(token)] and token not in SPECIALS

    return [token for token, times in total.most_common() if is_kept(token, times)]


def _ambiguous(vocabulary: list[str]) -> NDArray[np.bool_]:
    groups = Counter(map(fold, vocabulary))
    return np.array([groups[fold(token)] > 1 for token in vocabulary], np.bool_)


def _largest(gain: Logs, allowed: NDArray[np.bool_], count: int) -> Ids:
    """Positions of the `count` largest gains among those allowed, ascending."""
    there = np.flatnonzero(allowed)
    if len(there) > count:
        there = there[np.argpartition(-gain[there], count)[:count]]
    return np.sort(there)


def _quantised(log: Logs) -> bytes:
    steps: NDArray[np.uint8] = np.clip(np.rint(-log / STEP), 0, 255).astype(np.uint8)
    return steps.tobytes()
