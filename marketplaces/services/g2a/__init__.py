"""G2A: keys sold through offers whose changes are jobs, and keys bought from others. Contract ids G2A-…"""
