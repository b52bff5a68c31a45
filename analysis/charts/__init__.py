"""Charts of rollouts and of operating characteristics; they plot numbers computed elsewhere."""
