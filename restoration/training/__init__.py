"""Training: recipes, the loop, schedules, checkpoints. Neutral; only a step is a framework's."""
