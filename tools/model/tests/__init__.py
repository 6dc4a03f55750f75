"""Tests of the model tool; `tools/test` runs them."""
