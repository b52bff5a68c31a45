"""Commands for writing a plan: check, schema, rehearse and calibrate. None starts a rollout."""
