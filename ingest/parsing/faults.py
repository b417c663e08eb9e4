"""Errors of parsers: why a file gives no document."""


class Unreadable(ValueError):
    """The file is damaged, or not what its first bytes promise; the message completes "the document cannot be read"."""


class Encrypted(Unreadable):
    """The file is protected by a password."""


class TooComplex(Unreadable):
    """A part of the file is larger than the parser may hold."""
