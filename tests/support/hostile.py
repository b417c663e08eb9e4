"""Handmade files: small ones, and hostile ones."""

import io
import struct
import zipfile
import zlib
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


def opendocument(text: str, kind: str = "text") -> bytes:
    """An OpenDocument text of one paragraph, a spreadsheet of one cell or a slide."""
    paragraph = f"<text:p>{text}</text:p>"
    if kind == "spreadsheet":
        cell = f'<table:table-cell office:value-type="string">{paragraph}</table:table-cell>'
        paragraph = f'<table:table table:name="A"><table:table-row>{cell}</table:table-row></table:table>'
    if kind == "presentation":
        paragraph = f"<draw:page><draw:frame><draw:text-box>{paragraph}</draw:text-box></draw:frame></draw:page>"
    content = io.BytesIO()
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text", "table")
    )
    names += ' xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
    with zipfile.ZipFile(content, "w") as package:
        package.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        package.writestr(
            "META-INF/manifest.xml", '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument"/>'
        )
        package.writestr(
            "content.xml",
            f"<office:document-content {names}><office:body><office:{kind}>{paragraph}</office:{kind}>"
            "</office:body></office:document-content>",
        )
    return content.getvalue()


def spreadsheet(row: list[str]) -> bytes:
    """An Excel workbook (.xlsx) of one row."""
    content = io.BytesIO()
    main, office = "http://schemas.openxmlformats.org/spreadsheetml/2006/main", "officeDocument/2006/relationships"
    links = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
        f'Type="http://schemas.openxmlformats.org/{office}/{{}}" Target="{{}}"/></Relationships>'
    )
    cells = "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in row)
    with zipfile.ZipFile(content, "w") as package:
        package.writestr("[Content_Types].xml", _TYPES)
        package.writestr("_rels/.rels", links.format("officeDocument", "xl/workbook.xml"))
        package.writestr("xl/_rels/workbook.xml.rels", links.format("worksheet", "worksheets/sheet1.xml"))
        package.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="http://schemas.openxmlformats.org/{office}">'
            '<sheets><sheet name="Bảng" sheetId="1" r:id="r1"/></sheets></workbook>',
        )
        rows = f"<sheetData><row>{cells}</row></sheetData>"
        package.writestr("xl/worksheets/sheet1.xml", f'<worksheet xmlns="{main}">{rows}</worksheet>')
    return content.getvalue()


def epub(text: str) -> bytes:
    """A book of one chapter of one paragraph."""
    content, opf = io.BytesIO(), "http://www.idpf.org/2007/opf"
    with zipfile.ZipFile(content, "w") as package:
        package.writestr("mimetype", "application/epub+zip")
        package.writestr(
            "META-INF/container.xml",
            '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile '
            'full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        )
        package.writestr(
            "book.opf",
            f'<package xmlns="{opf}" version="3.0"><metadata/><manifest><item id="c" href="c.xhtml" '
            'media-type="application/xhtml+xml"/></manifest><spine><itemref idref="c"/></spine></package>',
        )
        body = f"<body><h1>Chương một</h1><p>{text}</p></body>"
        package.writestr("c.xhtml", f'<html xmlns="http://www.w3.org/1999/xhtml">{body}</html>')
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


def renamed_bomb(part: str) -> bytes:
    """A document of 1 GiB of letters in the part given, such as a workbook's."""
    content = io.BytesIO()
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package,
        package.open(part, "w", force_zip64=True) as file,
    ):
        for _ in range(1024):
            file.write(b"<a>" * (1 << 18) + b"a" * (1 << 18))
    return content.getvalue()


def many_pages(count: int) -> bytes:
    """A PDF file of empty pages."""
    pages = ["<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>" for _ in range(count)]
    kids = " ".join(f"{number} 0 R" for number in range(3, count + 3))
    return pdf(["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {count}>>", *pages])


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
    """Return a PDF with an unknown password."""
    secret = "<" + "5a" * 32 + ">"
    lock = f"<</Filter/Standard/V 2/R 3/Length 128/P -44/O{secret}/U{secret}>>"
    return pdf(
        ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
         "<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>", lock],
        f"/Encrypt 4 0 R/ID[{secret}{secret}]",
    )  # fmt: skip


def sparse_zeros(path: Path) -> None:
    """Return a sparse file with 500 MB of zeros."""
    with path.open("wb") as file:
        file.truncate(500_000_000)


def nested_archive(levels: int, width: int) -> bytes:
    """Archives within archives: `width` of them at each level."""
    inner, name = b"xin chao " * 1000, "a.txt"
    for _ in range(levels):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
            for number in range(width):
                package.writestr(f"{number}-{name}", inner)
        inner, name = content.getvalue(), "a.zip"
    return inner


def mail_of_parts(count: int) -> bytes:
    """A mail of many short texts."""
    head = "From: a@b\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n"
    return (head + "--B\nContent-Type: text/plain\n\nXin chao\n" * count + "--B--\n").encode()


def nested_mail(depth: int) -> bytes:
    """Parts within parts."""
    parts = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(depth))
    return f"From: a@b\nMIME-Version: 1.0\n{parts}Content-Type: text/plain\n\nhello\n".encode()


def page_of(content: str, objects: str = "", *more: str) -> bytes:
    """A PDF of one page that draws `content`, which may use `objects` from number 5 on."""
    stream = f"<</Length {len(content)}>>\nstream\n{content}\nendstream"
    page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<<{objects}>>>>"
    return pdf(["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>", page, stream, *more])


def looping_form() -> bytes:
    """A drawing that draws itself, twice."""
    form = "/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>"
    return page_of("/X Do", "/XObject<</X 5 0 R>>", f"<</Length 12{form}>>\nstream\n/X Do /X Do \nendstream")


def looping_compound() -> bytes:
    """An old Office file whose chain of sectors and whose folder are loops."""
    header, free = bytearray(512), 0xFFFFFFFF
    header[:8] = bytes.fromhex("d0cf11e0a1b11ae1")
    struct.pack_into("<HHHHH", header, 24, 0x3E, 3, 0xFFFE, 9, 6)
    struct.pack_into("<IIII", header, 44, 1, 1, 0, 4096)
    struct.pack_into("<II", header, 60, 0xFFFFFFFE, 0)
    struct.pack_into("<109I", header, 76, 0, *[free] * 108)
    table = struct.pack("<128I", 0xFFFFFFFD, 2, 1, 4, 3, *[free] * 123)
    entries = b""
    for number, (name, kind) in enumerate([("Root Entry", 5), ("WordDocument", 2), ("Workbook", 2), ("1Table", 2)]):
        entry = bytearray(128)
        written = name.encode("utf-16-le")
        entry[: len(written)] = written
        struct.pack_into("<HBBIII", entry, 64, len(written) + 2, kind, 1, number, number, 1)
        struct.pack_into("<IQ", entry, 116, 3, 1 << 30)
        entries += entry
    return bytes(header) + table + entries + bytes(3 * 512)


def image(width: int, height: int) -> bytes:
    """A PNG image of one bit a pixel, all black."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width // 8 + 1)) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def merged_sheet(area: str, row: str = "<row r='1'><c r='A1' t='inlineStr'><is><t>x</t></is></c></row>") -> bytes:
    """A workbook with the rows given, and one merged area."""
    content = io.BytesIO()
    merged = f"<sheetData>{row}</sheetData><mergeCells><mergeCell ref='{area}'/></mergeCells>"
    with (
        zipfile.ZipFile(io.BytesIO(spreadsheet(["a"]))) as source,
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package,
    ):
        for name in source.namelist():
            text = source.read(name).decode()
            if name.endswith("sheet1.xml"):
                text = text[: text.index("<sheetData>")] + merged + text[text.index("</sheetData>") + 12 :]
            package.writestr(name, text)
    return content.getvalue()
