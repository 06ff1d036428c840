"""scripts/evaluate ratings: every rating predicted before it is learnt."""
