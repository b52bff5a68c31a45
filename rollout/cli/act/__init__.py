"""Commands by which a user acts on a rollout.

pause, resume, promote, abort, undo and retry append a fact to the journal, on which the controller
acts. remove deletes routing objects itself.
"""
