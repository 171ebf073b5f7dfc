"""Every question about runs: filters, pages, aggregates and the statements that answer them."""
