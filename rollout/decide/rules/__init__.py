"""The rules that choose the next action, in the order of `step.RULES`; they change no state."""
