"""OpenDocument files: styles, lists, text, sheets and slides."""
