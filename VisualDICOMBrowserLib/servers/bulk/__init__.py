"""Warm worker processes that fetch a series over several associations or connections."""
