"""How a notification reaches somebody: the outbox, its workers, and the channels.

`outbox.py` is the door, `channel.py` the contract, `channels/` has one kind per file, `wording.py` puts messages
into words. Whether and to whom something is said is decided before.
"""
