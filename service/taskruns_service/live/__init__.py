"""Live updates: streams of events, the state that the streams of a process share, and the detection of changes."""
