"""How we talk to marketplaces. Knows nothing of orders or stock."""
