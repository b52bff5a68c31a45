"""Surefoot: a progressive-delivery controller whose error rates are declared and kept."""

__version__ = "0.1.0"
