"""Checking T-SQL without a server: Microsoft's parser in a process of its own, and a fake server that records a conversation."""
