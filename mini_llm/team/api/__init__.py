"""The wallet protocol as a server speaks it: discovery, login, account, usage, models. docs/team.md tells of each."""
