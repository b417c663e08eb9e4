"""Slides: shapes in reading order, and their text."""
