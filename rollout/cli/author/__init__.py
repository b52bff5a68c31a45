"""Commands of whoever writes a plan: check, schema, rehearse, calibrate; nothing is rolled out."""
