"""Word documents of 1997 to 2003 (.doc): pieces of text and their properties (MS-DOC)."""
