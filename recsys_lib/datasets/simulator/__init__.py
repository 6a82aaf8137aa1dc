"""Simulated ratings of films and watches of videos, with the model that generated them."""
