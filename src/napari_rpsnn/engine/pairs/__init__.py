"""Two pictures of one scene, each in focus somewhere else."""
