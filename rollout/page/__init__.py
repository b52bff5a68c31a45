"""The read-only web page: all rollouts, each of them, the decision log, and its proof.

`reader` keeps up with a journal, `views` and `topology` work out what a page shows, `render` makes
HTML of it, `access` decides who may see it, `app` answers requests and `site` writes the
pages as files.
Nothing here decides, writes to a journal or reaches a mesh.
"""
