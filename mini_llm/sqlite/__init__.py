"""What every SQLite file of ours needs: to be opened, brought forward and spoken of. Its statements are its room's."""
