"""scripts/evaluate ranking: every event ranked among all items before it is learnt."""
