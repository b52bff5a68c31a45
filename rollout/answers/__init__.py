"""Answers of other programs, read within limits: time, bytes before and after unpacking, shape."""
