"""Fast paths: the same numbers as the readable ones, which stay the default and the reference, in less time."""
