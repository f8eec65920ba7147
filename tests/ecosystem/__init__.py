"""Real envs and real training libraries: `make test-ecosystem`."""
