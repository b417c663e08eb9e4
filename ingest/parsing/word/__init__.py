"""Word documents: styles, automatic numbering, runs, tables and the body's blocks."""
