"""Scores files of reviews of any size; a run that is killed goes on from there. __main__.py is the command."""
