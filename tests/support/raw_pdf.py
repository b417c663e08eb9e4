"""PDF files written object by object, for what libraries that draw pages cannot make."""

from collections.abc import Sequence
from typing import Final

_FIRST: Final = 5
"""The number of the first object of the caller; the page is 3, the font 4."""


def raw_pdf(content: str, objects: Sequence[str | bytes] = (), *, page: str = "", catalog: str = "") -> bytes:
    """Return a file of one A4 page that draws `content` (operators; the font is /F1).

    `objects` are numbered from 5; `page` and `catalog` are entries that refer to them.
    """
    bodies: list[str | bytes] = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 4 0 R >> >> "
        f"/Contents {_FIRST + len(objects)} 0 R {page} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        *objects,
        stream(content),
    ]
    written = b"%PDF-1.7\n"
    offsets = []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(written))
        raw = body.encode("latin-1") if isinstance(body, str) else body
        written += f"{number} 0 obj\n".encode() + raw + b"\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    tail = f"trailer << /Size {len(bodies) + 1} /Root 1 0 R >>\nstartxref\n{len(written)}\n%%EOF\n"
    return written + f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n{table}{tail}".encode()


def stream(content: str | bytes, entries: str = "") -> bytes:
    """Return a stream object."""
    raw = content.encode("latin-1") if isinstance(content, str) else content
    return f"<< /Length {len(raw)} {entries} >>\nstream\n".encode() + raw + b"\nendstream"


def shown(text: str, x: float = 72, y: float = 700) -> str:
    """Return the operators that draw a line."""
    return f"BT /F1 12 Tf {x} {y} Td ({text}) Tj ET\n"


def string(text: str) -> str:
    """Return a text string with any letters."""
    return f"<feff{text.encode('utf-16-be').hex()}>"
