"""Raw text to tokens, chunks and lexical terms: the only place of the project that looks inside a text."""

from phoserve.text.bpe import TokenBatch
from phoserve.text.chunker import Chunk, Chunker
from phoserve.text.lexical import SparseVector, passage_terms
from phoserve.text.pipeline import TextPipeline, Word
from phoserve.text.query import QueryReader, ReadQuery, query_terms
from phoserve.text.sentences import sentences

__all__ = [
    "Chunk",
    "Chunker",
    "QueryReader",
    "ReadQuery",
    "SparseVector",
    "TextPipeline",
    "TokenBatch",
    "Word",
    "passage_terms",
    "query_terms",
    "sentences",
]
