"""Pictures of rollouts and of operating characteristics; they draw what others computed."""
