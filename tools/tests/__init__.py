"""Tests of what the tools share; `tools/test` runs them."""
