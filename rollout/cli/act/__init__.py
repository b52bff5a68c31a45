"""Commands of a person to a rollout: pause, resume, promote, abort, undo, retry, remove."""
