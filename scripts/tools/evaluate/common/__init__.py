"""Figures, tables and plots of all evaluations."""
