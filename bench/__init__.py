"""`make bench`: how fast eight ways of computing the same model predict the same held-out reviews.

peers.py and guide.py convert the run's weights for the others; contenders.py loads each, contender.py measures one in a
process of its own, __main__.py measures all in turns, summary.py and plots.py present the results.
"""
