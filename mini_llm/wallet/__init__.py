"""The wallet service: sign in on a device, keep the key, tell the account. Nothing here is loaded before it is needed.

`joining` keeps a login, `leaving` ends one, `renewal` renews tokens that run out; the rest asks the service.
"""
