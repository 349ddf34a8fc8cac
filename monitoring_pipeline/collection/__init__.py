"""What collectors report about themselves: attempts, and how each collector does.

`client.py` is what collectors import; it needs nothing but the standard library.
"""
