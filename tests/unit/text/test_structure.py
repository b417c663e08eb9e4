from phoserve.text.structure import Break, blocks_of

LAW = """\
# Luật Căn cước

## Chương I
## QUY ĐỊNH CHUNG
### Điều 1. Phạm vi điều chỉnh
Luật này quy định về căn cước.
Người dân có quyền:
a) Được cấp thẻ;
b) Đổi thẻ.

**Điều 2.** Luật này áp dụng với công dân Việt Nam.
Điều 5 của Luật này không đổi.
Phần thứ hai bao gồm từ “Nơi nhận”.

Chương II
TỔ CHỨC THỰC HIỆN

```
# không phải tiêu đề
```
"""


def test_blocks_of_a_law() -> None:
    blocks = [(LAW[b.start : b.end], b.before.name, b.headings[1:]) for b in blocks_of(LAW)]
    one, general = "Chương I", "Chương I QUY ĐỊNH CHUNG"
    article = (general, "Điều 1. Phạm vi điều chỉnh")
    assert blocks == [
        ("# Luật Căn cước", "SECTION", ()),
        ("## Chương I", "SECTION", (one,)),
        ("## QUY ĐỊNH CHUNG", "SECTION", (general,)),
        ("### Điều 1. Phạm vi điều chỉnh", "SECTION", article),
        ("Luật này quy định về căn cước.\nNgười dân có quyền:", "WORD", article),
        ("a) Được cấp thẻ;", "ITEM", article),
        ("b) Đổi thẻ.", "ITEM", article),
        (
            "**Điều 2.** Luật này áp dụng với công dân Việt Nam.\nĐiều 5 của Luật này không đổi.\n"
            "Phần thứ hai bao gồm từ “Nơi nhận”.",
            "SECTION",
            (general, "Điều 2"),
        ),
        ("Chương II", "SECTION", ("Chương II",)),
        ("TỔ CHỨC THỰC HIỆN", "SECTION", ("Chương II TỔ CHỨC THỰC HIỆN",)),
        ("```", "WORD", ("Chương II TỔ CHỨC THỰC HIỆN",)),
        ("# không phải tiêu đề", "ITEM", ("Chương II TỔ CHỨC THỰC HIỆN",)),
        ("```", "ITEM", ("Chương II TỔ CHỨC THỰC HIỆN",)),
    ]


def test_markdown_levels_nest() -> None:
    text = "# A\n### B\nb\n## C\n# D\n"
    assert [b.headings for b in blocks_of(text)] == [("A",), ("A", "B"), ("A", "B"), ("A", "C"), ("D",)]


def test_rows_of_a_table_are_items() -> None:
    text = "Bảng giá\n\n| Tên | Giá |\n|---|---|\n| Gạo | 15.000 |\n"
    assert [b.before for b in blocks_of(text)] == [Break.PARAGRAPH, Break.PARAGRAPH, Break.ITEM, Break.ITEM]


def test_a_long_title_is_shortened_in_the_path() -> None:
    (block,) = blocks_of("# " + "dài " * 1000)
    assert len(block.headings[0]) == 200
