"""A teacher for the static table: any PhoBERT-shaped model in a folder, read with Hugging Face `transformers`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch.nn.functional import normalize
from transformers import AutoModel, PhobertTokenizer

from phoserve.contract import MERGES_FILE, VOCAB_FILE
from phoserve.embedding.ports import FloatMatrix
from phoserve.errors import ConfigurationError
from training.corpus import Tokens
from training.tokenizer import CONTINUES, SPECIAL_TOKENS

MAX_TOKENS: Final = 256
MICRO_BATCH: Final = 32
POOLING_FILE: Final = "1_Pooling/config.json"


class FolderTeacher:
    """Embeds texts with the model in a folder. The texts are the student's tokens, converted back to text."""

    def __init__(self, folder: Path, pieces: Sequence[str]) -> None:
        """`pieces` is the student's vocabulary without its special tokens.

        Raises ConfigurationError if `folder` has no model, no tokenizer, or another pooling than mean or `<s>`.
        """
        self._pieces = pieces
        self._cls = _pools_by_first_token(folder / POOLING_FILE)
        try:
            self._tokenizer = PhobertTokenizer(str(folder / VOCAB_FILE), str(folder / MERGES_FILE))
            self._model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(f"{folder} is not a PhoBERT-shaped model: {error}") from error

    def __call__(self, texts: Sequence[Tokens]) -> FloatMatrix:
        """Return unit vectors of `texts`, float32 (texts, the teacher's dim)."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        blocks = [
            self._embed([self.spell_out(texts[index]) for index in order[start : start + MICRO_BATCH]])
            for start in range(0, len(texts), MICRO_BATCH)
        ]
        vectors = np.concatenate(blocks)
        restored = np.empty_like(vectors)
        restored[order] = vectors
        return restored

    def spell_out(self, tokens: Tokens) -> str:
        """Return the segmented text of `tokens` without unknown ones."""
        pieces = [self._pieces[token - SPECIAL_TOKENS] for token in tokens.tolist() if token >= SPECIAL_TOKENS]
        return " ".join(pieces).replace(CONTINUES + " ", "").removesuffix(CONTINUES)

    @torch.inference_mode()
    def _embed(self, texts: list[str]) -> FloatMatrix:
        feed = self._tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        hidden = self._model(**feed).last_hidden_state
        if self._cls:
            pooled = hidden[:, 0]
        else:
            mask = feed["attention_mask"][:, :, None].to(hidden.dtype)
            pooled = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        vectors: FloatMatrix = normalize(pooled, dim=1).float().numpy()
        return vectors


def _pools_by_first_token(path: Path) -> bool:
    """Return the pooling of a sentence-transformers folder; the mean without the file."""
    if not path.is_file():
        return False
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if settings.get("pooling_mode_cls_token"):
        return True
    if not settings.get("pooling_mode_mean_tokens", True):
        raise ConfigurationError(f"{path} requests a pooling other than mean or cls, which a teacher cannot have")
    return False
