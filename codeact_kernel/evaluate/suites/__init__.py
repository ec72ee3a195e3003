"""The suites that `codeact eval` knows: one file each."""
