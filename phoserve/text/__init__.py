"""Raw text to tokens, chunks and lexical terms: the only place of the project that looks inside a text."""

from phoserve.text.bpe import TokenBatch
from phoserve.text.pipeline import TextPipeline

__all__ = ["TextPipeline", "TokenBatch"]
