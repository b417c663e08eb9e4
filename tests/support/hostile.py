"""Files made by hand: small ones, and some made to break whoever opens them."""

import io
import zipfile
from pathlib import Path

_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_BODY = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{}</w:body></w:document>'


def docx(body: str, *, before: str = "", extra: dict[str, str] | None = None) -> bytes:
    """A Word document whose body is `body`, after `before` (such as a document type)."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", _TYPES)
        package.writestr("word/document.xml", before + _BODY.format(body))
        for name, text in (extra or {}).items():
            package.writestr(name, text)
    return content.getvalue()


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def opendocument(text: str) -> bytes:
    """An OpenDocument text of one paragraph."""
    content = io.BytesIO()
    names = "urn:oasis:names:tc:opendocument:xmlns"
    with zipfile.ZipFile(content, "w") as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        package.writestr(
            "content.xml",
            f'<o:document-content xmlns:o="{names}:office:1.0" xmlns:t="{names}:text:1.0"><o:body><o:text>'
            f"<t:p>{text}</t:p></o:text></o:body></o:document-content>",
        )
    return content.getvalue()


def zip_bomb() -> bytes:
    """A document of 1 GiB of letters in a few megabytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        package.writestr("[Content_Types].xml", _TYPES)
        with package.open("word/document.xml", "w", force_zip64=True) as file:
            head, tail = _BODY.split("{}")
            file.write((head + "<w:p><w:r><w:t>").encode())
            for _ in range(1024):
                file.write(b"a" * (1 << 20))
            file.write(("</w:t></w:r></w:p>" + tail).encode())
    return content.getvalue()


def entity_bomb() -> bytes:
    """A document with a thousand million times "ha"."""
    entities = '<!ENTITY e0 "ha">' + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    return docx(paragraph("&e9;"), before=f"<!DOCTYPE w [{entities}]>")


def pdf(objects: list[str], trailer: str = "") -> bytes:
    """A PDF of the objects given, the first of which is its root."""
    out, offsets = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n" + "".join(f"{at:010} 00000 n \n" for at in offsets)
    return (
        out + f"{table}trailer\n<</Size {len(objects) + 1}/Root 1 0 R{trailer}>>\nstartxref\n{len(out)}\n%%EOF".encode()
    )


def looping_pdf() -> bytes:
    """Pages whose parent is their child."""
    return pdf(["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[2 0 R 3 0 R]/Count 2>>",
                "<</Type/Pages/Kids[2 0 R]/Count 1/Parent 3 0 R>>"])  # fmt: skip


def encrypted_pdf() -> bytes:
    """A PDF with a password nobody has."""
    secret = "<" + "5a" * 32 + ">"
    lock = f"<</Filter/Standard/V 2/R 3/Length 128/P -44/O{secret}/U{secret}>>"
    return pdf(
        ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
         "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>", lock],
        f"/Encrypt 4 0 R/ID[{secret}{secret}]",
    )  # fmt: skip


def sparse_zeros(path: Path) -> None:
    """500 MB of zeros that take no room on the disk."""
    with path.open("wb") as file:
        file.truncate(500_000_000)
