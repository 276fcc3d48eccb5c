"""Training of a network: recipes, the loop, schedules, checkpoints. Neutral; steps are a framework's."""
