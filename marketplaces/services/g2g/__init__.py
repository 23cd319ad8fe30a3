"""G2G: gift cards, keys and top-ups, announced by webhooks. Contract ids G2G-…"""
