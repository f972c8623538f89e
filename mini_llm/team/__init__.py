"""The team server: one place where people share providers, keys and credits, and a wallet that anyone can host.

The domain (people, keys, rights, devices, credits, budgets, usage, audit) is plain functions on `store`'s connection;
they know no HTTP. Whoever calls them wraps what belongs together in one `store.write`.
"""
