"""Formulas (MathML) and ruby of web pages on one line: x^2, a/b, √(x)."""

from typing import Final

from selectolax.lexbor import LexborNode

_BETWEEN: Final[dict[str, tuple[str, ...]]] = {
    "mfrac": ("", "/"),
    "msup": ("", "^"),
    "msub": ("", "_"),
    "msubsup": ("", "_", "^"),
    "munder": ("", "_"),
    "mover": ("", "^"),
    "munderover": ("", "_", "^"),
}
"""What is before each part of a formula."""
_TAGS: Final = frozenset({"mi", "mn", "mo", "mtext", "mrow", "msqrt", "mtd", "mtr", *_BETWEEN})
_MAX_PARTS: Final = 4


def opening_mark(node: LexborNode) -> str:
    """Return what is written before an element of a formula, or before the guide of a ruby; "" for any other."""
    if node.tag == "rt":
        return "("
    if node.tag not in _TAGS:
        return ""
    parent = node.parent.tag if node.parent else ""
    marks = _BETWEEN.get(parent or "", ())
    at = _position(node) if marks else 0
    mark = marks[at] if at < len(marks) else ""
    return f"{mark}{'√' * (node.tag == 'msqrt')}{'(' * _is_grouped(node, at)}"


def closing_mark(node: LexborNode) -> str:
    """Return what is written after an element of a formula, or after the guide of a ruby; "" for any other."""
    if node.tag == "rt":
        return ")"
    if node.tag not in _TAGS:
        return ""
    if node.tag in ("mtd", "mtr"):
        return " "
    parent = node.parent.tag if node.parent else ""
    at = _position(node) if (parent or "") in _BETWEEN else 0
    return ")" if _is_grouped(node, at) else ""


def _is_grouped(node: LexborNode, at: int) -> bool:
    """Whether a part of several elements needs parentheses: below a root, as a fraction's part, or raised."""
    if node.tag not in ("mrow", "msqrt") or len([child for child in node.iter() if child.tag]) < 2:
        return False
    parent = node.parent.tag if node.parent else ""
    return node.tag == "msqrt" or parent == "mfrac" or (at > 0 and (parent or "") in _BETWEEN)


def _position(node: LexborNode) -> int:
    """Return how many elements are before `node`, up to _MAX_PARTS."""
    count = 0
    other = node.prev
    for _ in range(4 * _MAX_PARTS):
        if other is None or count == _MAX_PARTS:
            break
        count += other.tag not in ("-text", "-comment")
        other = other.prev
    return count
