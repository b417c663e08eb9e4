"""What an RTF file is made of: its tokens, characters, paragraphs and tables."""
