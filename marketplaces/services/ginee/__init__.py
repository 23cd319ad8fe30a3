"""Ginee: one back office for a seller's shops on many marketplaces; it tells us of orders and of warehouse jobs. GIN-…"""
