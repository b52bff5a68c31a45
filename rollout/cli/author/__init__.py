"""Commands for writing plans: check, schema, mesh, rehearse, calibrate. None starts a rollout."""
