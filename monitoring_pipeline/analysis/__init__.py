"""What is normal, where does it go, and is the promise kept? Arrays and frames in, arrays and frames out.

Nothing here reads a store by itself: doors named `run.py` and the like join these functions with `store`.
"""
