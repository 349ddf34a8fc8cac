"""Whom: people and teams, who is on call, when not to disturb, when maintenance is, escalations.

`recipients.py` finds out whom a target means, `escalation.py` steps through the levels of a policy. How a message
reaches somebody does not belong here.
"""
