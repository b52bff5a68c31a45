"""New versions of Deployments become plans; the rollouts themselves are not of this room."""
