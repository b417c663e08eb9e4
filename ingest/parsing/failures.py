"""Why a document cannot be read."""

from ingest.parsing.faults import Encrypted, TooComplex, Unreadable


class ParsingFailed(Exception):
    """The document cannot be read; `code` is for programs, the message for people.

    Codes: `empty`, `encoding`, `encrypted`, `unreadable`, `unsupported`, `too_large`, `too_complex`, `timeout`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def failure_of(error: Exception) -> ParsingFailed:
    """Return the failure for an exception of a parser, without the parser's internals."""
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
            message = "the document is damaged, or not of the type in its name; open it, save it again and retry"
            return ParsingFailed("unreadable", message)
