"""The GraphQL face: a schema of the graph and of what Prefect 1 writes, over the same questions and commands."""
