"""Figures for /metrics."""
