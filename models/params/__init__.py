"""Hyper-parameters: frozen, checked where they are made."""
