"""Commands that only look: status, why, watch, log, doctor; they change nothing."""
