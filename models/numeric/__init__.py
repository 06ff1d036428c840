"""Small numerical kernels that know nothing of users or items."""
