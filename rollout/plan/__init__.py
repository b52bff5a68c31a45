"""What the user asked for: plan files, their models, and each mistake with line and column."""
