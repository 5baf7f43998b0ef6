"""A classifier.xml behind HTTP: python -m infer serve -m classifier.xml. server.py holds the connections, app.py and
kserve.py the protocols, batcher.py the batches across requests, on_ray.py what predicts them on other machines;
page.html is the page at /."""
