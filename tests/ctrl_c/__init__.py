"""``make test-ctrl-c``: one Ctrl-C at random moments of every command."""
