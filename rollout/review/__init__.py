"""Looking back: every look of a journal judged again, every decision decided again."""
