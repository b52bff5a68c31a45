"""What a plan says of the mesh: where its traffic is routed, by which policy, and who makes it."""
