"""What a plan may say: one module for each part of `spec`; nothing is read from a file here."""
