"""What a plan's rollouts made or changed in a cluster goes, by a person's word."""
