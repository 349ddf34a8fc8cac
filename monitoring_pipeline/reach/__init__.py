"""How probes reach things: connections, HTTP exchanges, databases, files, child processes, this machine.

Shared by the kinds; nothing here knows what a check is for. Every door is bounded in time and memory, connects
only where the network policy allows, and raises `SourceFailure` or `CheckError` in words for people.
"""
