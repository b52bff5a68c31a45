"""Commands that only read: status, why, watch, wait, log, verify and doctor; checkpoint signs."""
