"""What the user asked for: the plan file, its models, and every mistake in it with line and column."""
