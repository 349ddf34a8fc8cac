"""How likely is each source to fail soon, what speaks for it, and what could be done before it does.

`fleet.py` is what is known hour by hour, `features.py` what of it may announce a failure, `model.py` learns how
much it does and measures out of time whether that is better than each source's own rate; `risk.py` makes
risks and recommended actions of it. Nothing here looks into the future of the hour it speaks of.
"""
