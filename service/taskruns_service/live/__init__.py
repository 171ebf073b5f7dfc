"""Live updates: the streams of events, what they share in one process, and what tells them that something changed."""
