"""What the chapters need and nobody else would: figures, the leaderboard, simulated A/B tests."""
