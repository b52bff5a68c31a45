"""Reads large answers as arrays: labels once, samples all at once."""
