"""What can be watched on this machine: found, tried out, written down as a configuration.

`run.py` is the front door: `discover` looks, `writing.write` makes the files. One module per place to
look (machine, services, this installation, the sample data, public data); each answers `Found`s.
Every check is tried before it is proposed, so what is written works here.
"""
