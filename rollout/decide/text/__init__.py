"""A decision's sentence and numbers; nothing here influences a decision."""
