"""What the selection is worth on labelled tables: searches, every way to choose measured, and the tests."""
