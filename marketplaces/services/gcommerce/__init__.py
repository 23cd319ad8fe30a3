"""G-Commerce: goods for business buyers, asked for news every few minutes. Contract ids GCO-…"""
