"""What the selection is worth on labelled tables: searches, metrics of every way to choose, and their tests."""
