"""How fast is it? The same held-out reviews by eight ways of computing one model, side by side: `make bench`.

peers.py and guide.py give the others the run's weights; contenders.py loads each, contender.py measures one in a
process of its own, __main__.py runs them in turns, summary.py and plots.py say what came out.
"""
