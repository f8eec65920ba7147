"""The fuzzer: what strangers may send, into all that reads it. ``make fuzz``; docs/fuzzing.md."""
