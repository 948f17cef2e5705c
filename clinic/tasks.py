"""What beat calls on the ground floor. Each task is one line and safe to run twice."""
