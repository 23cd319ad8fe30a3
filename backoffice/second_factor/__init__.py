"""A second factor for staff who may reveal codes, pay, or open the way to either.

`models` keeps what a person proves it with, `devices` are the verbs, `gate` leads to the `pages` before anything else.
"""
