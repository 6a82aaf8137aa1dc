"""Recommender systems, small and fast: the library behind the course.

Data flows one way: `datasets` → `ratings` → `splits` → `models` → `evaluation` → `tuning`.
"""

__version__ = "0.1.0"
