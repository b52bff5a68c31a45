"""What a resource shows of its rollout, and how that reaches the cluster; nothing is decided."""
