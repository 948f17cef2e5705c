"""Instruments, health facts, screening and clearance."""
