"""Tests of the clip maker; `tools/test` runs them."""
