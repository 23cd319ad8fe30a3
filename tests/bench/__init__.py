"""Benchmarks: what the product does a second, beside the physical limit and beside what people would use instead.

Each file `bench_<name>.py` is one benchmark and holds a `BENCHMARK`. All of its figures come out of one run on one machine,
so that the ratios hold wherever it runs.
"""
