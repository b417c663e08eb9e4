"""Alternative texts of pictures: what an author wrote is kept, what a program filled in is not."""

import re
from typing import Final

# Office guesses what a picture shows; in the languages of its users here.
_GUESSED: Final = (
    "description generated with",
    "automatically generated",
    "được tạo tự động",
    "ai-generated content",
    "nội dung do ai tạo",
)
_FILE: Final = re.compile(r"\S*\.(?:png|jpe?g|gif|bmp|webp|svg|emf|wmf|tiff?|ico)", re.IGNORECASE)
# "Picture 3", "IMG_2031", "clip_image002", "Screenshot 2026-01-31 at 10.30.12".
_NUMBERED: Final = re.compile(
    r"(?:picture|image|img|dsc[fn]?|photo|graphic|shape|object|rectangle|text ?box|clip_image|untitled|screen ?shot"
    r"|pasted image|placeholder|hình|ảnh|hình ảnh|ảnh chụp màn hình|đối tượng)(?:[\s\d_.:()\-]|at|lúc|am|pm)*",
    re.IGNORECASE,
)
_IDENTIFIER: Final = re.compile(r"(?=\S*\d)[0-9a-fA-F_\-]{12,}")


def alternative_text(written: str | None) -> str:
    """Return an alternative text on one line, "" where it is a file's name, a number or a program's guess."""
    text = " ".join((written or "").split())
    guessed = any(mark in text.lower() for mark in _GUESSED)
    return "" if guessed or any(p.fullmatch(text) for p in (_FILE, _NUMBERED, _IDENTIFIER)) else text
