"""Pages of PDF files and scans: words, lines and columns, ruled tables, and text that flows across pages."""
