"""Alerts: from conditions that hold now to messages people act on. Pure policy, an outbox, and one file a channel.

`policy.decide` compares conditions with etl.Alert and says which messages go into the outbox; `deliver.drain` takes them out and
sends them: at least once, never again after the other side took one. Who reads the journal is `pipeline.watch`.
"""
