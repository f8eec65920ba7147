"""What the benchmark runs as processes of their own. Those of peers know only the standard library and their peer."""
