"""Excel workbooks: styles and strings, sheets read as streams, and the tables on them."""
