"""What `make bench-serve` writes of its measurements."""

from bench.serve import to_markdown


def times(rate, p50):
    return {"requests_per_second": rate, "p50": p50, "p99": 2 * p50}


def test_the_table_and_its_ratios_are_of_the_measurements():
    servers = {
        "direct": {"direct": times(400, 0.004)},
        "infer": {"1": times(200, 0.0045), "8": times(300, 0.02), "64": times(350, 0.2)},
        "tutorial": {"1": times(50, 0.02), "8": times(50, 0.2), "64": times(50, 1)},
    }
    different = {"infer": 0, "tutorial": 3}
    page = to_markdown(
        {
            "servers": servers,
            "labels_that_differ": different,
            "soak": [100 << 20, 101 << 20],
            "soak_seconds": 600.0,
        }
    )
    assert "| infer serve | 64 | 350 | 200.00 | 400.00 |" in page
    assert "does 88% of what the Classifier does" in page and "0.50 ms more than a direct call" in page
    assert "7.0 times as many requests as the tutorial's" in page
    assert "FastAPI, transformers' pipeline: the labels of 3 of 64 reviews are others than those of infer serve" in page
    assert page.count("labels") == 1
    assert "In 600 seconds of 64 clients it had, after each tenth, 100, 101 MiB of memory" in page
