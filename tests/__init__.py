"""The tests of the service and of its client."""
