"""From the best items of users to the lists they get: discounts, drawn slots, yardsticks."""
