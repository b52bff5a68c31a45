"""The rules that choose the next action, tried in the order of `step.RULES`."""
