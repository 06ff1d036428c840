"""Lists over catalogues of many sizes, without a cluster: what they cost, and what they miss."""
