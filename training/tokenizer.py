"""Learn a tokenizer in PhoBERT's format from word counts: `vocab.txt` and `bpe.codes`."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from phoserve.contract import MERGES_FILE, VOCAB_FILE

END_OF_WORD: Final = "</w>"
CONTINUES: Final = "@@"
# The first ids of PhobertTokenizer: <s>, <pad>, </s>, <unk>.
SPECIAL_TOKENS: Final = 4
ALPHABET: Final = 400


class WordPieces:
    """Byte-pair encoding of single words, cached."""

    def __init__(self, merges: list[tuple[str, str]], alphabet: Iterable[str]) -> None:
        symbols = dict.fromkeys(form for letter in sorted(alphabet) for form in (letter, letter + END_OF_WORD))
        symbols |= dict.fromkeys("".join(pair) for pair in merges)
        self._bpe = models.BPE(
            vocab={symbol: index for index, symbol in enumerate(symbols)}, merges=merges, end_of_word_suffix=END_OF_WORD
        )
        self._pieces: dict[str, list[str]] = {}

    def pieces(self, word: str) -> list[str]:
        """Return the pieces of `word`, all but the last ending in `@@`. Characters outside the alphabet are dropped."""
        found = self._pieces.get(word)
        if found is None:
            found = self._pieces[word] = [_phobert_form(token.value) for token in self._bpe.tokenize(word)]
        return found


def learn(texts: Iterable[str], merges: int) -> list[tuple[str, str]]:
    """Learn `merges` byte-pair merges over the whitespace-separated words of segmented `texts`, most frequent first."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=END_OF_WORD))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=merges + 2 * ALPHABET,
        limit_alphabet=ALPHABET,
        end_of_word_suffix=END_OF_WORD,
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    state = json.loads(tokenizer.to_str())
    return [tuple(pair) for pair in state["model"]["merges"]][:merges]


def save(folder: Path, merges: list[tuple[str, str]], words: Mapping[str, int], *, size: int) -> list[str]:
    """Write both files. The vocabulary is the `size` most frequent pieces of `words`. Return it, best first."""
    encoder = WordPieces(merges, {letter for word in words for letter in word})
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for piece in encoder.pieces(word):
            counts[piece] += count
    kept = [piece for piece, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:size]]
    _write(folder / VOCAB_FILE, (f"{piece} {counts[piece]}" for piece in kept))
    _write(folder / MERGES_FILE, (f"{a} {b} {counts[_phobert_form(a + b)]}" for a, b in merges))
    return kept


def _phobert_form(symbol: str) -> str:
    return symbol.removesuffix(END_OF_WORD) if symbol.endswith(END_OF_WORD) else symbol + CONTINUES


def _write(path: Path, lines: Iterator[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
