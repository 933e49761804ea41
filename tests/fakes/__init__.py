"""Fakes of what the tests do not reach; a test holds each of them to the real thing."""
