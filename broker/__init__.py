"""Bytes, queues and connections. Knows no message of the protocol, no gym and no numpy."""
