"""The long run: agents, workers and a broker under random faults for half an hour (``make soak``, docs/soak.md)."""
