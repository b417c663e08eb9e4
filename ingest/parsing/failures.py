"""Why a document cannot be read."""

from ingest.parsing.faults import Encrypted, TooComplex, Unreadable


class ParsingFailed(Exception):
    """The document cannot be read; `code` is for programs, the message for people.

    Codes: `empty`, `encoding`, `encrypted`, `unreadable`, `unsupported`, `too_large`, `too_complex`, `timeout`.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable


def failure_of(error: Exception) -> ParsingFailed:
    """Return what is told of any exception that a parser raises; none of the parser's internals."""
    match error:
        case ParsingFailed():
            return error
        case Encrypted():
            return ParsingFailed("encrypted", "the document is protected by a password; send it without one")
        case TooComplex():
            return ParsingFailed("too_complex", f"the document cannot be read: {error}")
        case Unreadable():
            return ParsingFailed("unreadable", f"the document cannot be read: {error}")
        case _:
            message = "the document is damaged, or not what its name says; open it, save it again and retry"
            return ParsingFailed("unreadable", message)
