"""The seeded French ERP of the twin: schema, data, mutations and the specs of its seven tables."""
