"""The only place where doors are plugged in; each is imported when it is needed."""
