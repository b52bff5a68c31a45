"""What a rollout has become by its facts, and which phase may follow which; nothing is judged."""
