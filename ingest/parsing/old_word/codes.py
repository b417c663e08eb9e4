"""Operations on characters and paragraphs of .doc files (MS-DOC 2.6.1 and 2.6.2)."""

HIDDEN, DELETED, BOLD, FONT = 0x083C, 0x0800, 0x0835, 0x4A4F
IN_TABLE, ROW_END, INNER_CELL, INNER_ROW_END, OUTLINE = 0x2416, 0x2417, 0x244B, 0x244C, 0x2640
