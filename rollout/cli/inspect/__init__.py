"""Commands that only read: status, why, watch, log and doctor."""
