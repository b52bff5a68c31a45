"""The Gateway API's routes: their backends, and the precedence of their matches."""
