"""Stacks, requests and fixtures that the tests of the local AWS share."""
