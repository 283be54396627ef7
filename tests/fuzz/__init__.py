"""This room is the fuzzing: targets for a fuzzer with their corpus, parsers and whole requests with a seeded part in every run."""
