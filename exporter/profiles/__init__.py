"""Our figures under the names of other exporters, for those whose dashboards and bills ask for them.

A profile is a table (`exporter.profiles.kumina` and its like), `exporter.profiles.tables` has them by
name, and `exporter.profiles.translation` makes a page of ours one that has their families too.
"""
