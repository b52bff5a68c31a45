"""The Gateway API's routes: their backends, and the order of their matches."""
