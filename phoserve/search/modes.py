"""The search modes."""

from enum import StrEnum


class SearchMode(StrEnum):
    """How passages are ranked: by meaning (`dense`), by words (`lexical`), or by both (`hybrid`)."""

    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"
