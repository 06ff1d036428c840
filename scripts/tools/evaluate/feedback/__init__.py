"""What the outcomes of impressions (topic `feedback`) say: of arms, and of other policies."""
