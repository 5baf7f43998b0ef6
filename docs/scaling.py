"""How many hosts pay: python docs/scaling.py prints the tables of docs/scaling.md.

Standard library only. A step is each host's computing, an allreduce of the dense gradients in a ring, an allgather of
the word embeddings' slices. Source of the ring's cost: Patarasu and Yuan, "Bandwidth optimal all-reduce algorithms for
clusters of workstations", 2009.
"""

HOSTS = (1, 2, 4, 8, 16, 32, 64)
LINKS = (1, 10, 100)  # Gb/s
LATENCY = 50e-6  # s a message, TCP within a data centre
FUSION = 64 * 2**20  # bytes that Horovod reduces together at most
FLOAT = 4  # bytes

# Of one host of two cores, see docs/scaling.md: seconds that a step takes, and that each example adds.
COMPUTE = {"MiniLM-L6": (0.198, 0.0169), "BERT-base": (1.042, 0.272)}
# Vocabulary, hidden size, layers, positions, sequence length.
SIZES = {"MiniLM-L6": (30522, 384, 6, 512, 48), "BERT-base": (30522, 768, 12, 512, 128)}


def dense_bytes(model):
    """Returns the bytes of the gradients that are reduced: of all weights but the word embeddings."""
    _, hidden, layers, positions, _ = SIZES[model]
    layer = 12 * hidden * hidden + 13 * hidden  # attention, feed-forward of four times the size, two normalisations
    rest = (positions + 2 + 2) * hidden + hidden * (hidden + 1) + 2 * (hidden + 1)
    return FLOAT * (layers * layer + rest)


def slice_bytes(model, batch_size):
    """Returns the bytes of a batch's gradients of word embeddings, a slice for each id."""
    _, hidden, _, _, length = SIZES[model]
    return FLOAT * batch_size * length * hidden


def step_seconds(model, hosts, gigabits, batch_size):
    """Returns the seconds of a step of `batch_size` examples in all, shared by `hosts`, each with such a link."""
    fixed, each = COMPUTE[model]
    dense, slices = dense_bytes(model), slice_bytes(model, batch_size)
    messages = 2 * (hosts - 1) * -(-dense // FUSION) + (hosts - 1)
    network = (2 * dense + slices) * (hosts - 1) / hosts / (gigabits * 1e9 / 8) + messages * LATENCY
    return fixed + each * batch_size / hosts + network


def rate(model, hosts, gigabits, batch_size):
    """Returns examples per second."""
    return batch_size / step_seconds(model, hosts, gigabits, batch_size)


def table(model, batch_of):
    """Returns Markdown: examples per second by hosts and links, `batch_of(hosts)` being the batch of all hosts."""
    lines = ["| " + " | ".join(["hosts", "batch", *(f"{link} Gb/s" for link in LINKS)]) + " |"]
    lines.append("|" + " ---: |" * (2 + len(LINKS)))
    for hosts in HOSTS:
        if batch_of(hosts) >= hosts:
            rates = [f"{rate(model, hosts, link, batch_of(hosts)):.1f}" for link in LINKS]
            lines.append("| " + " | ".join([str(hosts), str(batch_of(hosts)), *rates]) + " |")
    return "\n".join(lines)


def stops_paying(model, gigabits, batch_of):
    """Returns up to how many hosts each doubling brings at least 1.5 times the examples per second."""
    for hosts, more in zip(HOSTS, HOSTS[1:], strict=False):
        if batch_of(more) < more:
            return hosts
        if rate(model, more, gigabits, batch_of(more)) < 1.5 * rate(model, hosts, gigabits, batch_of(hosts)):
            return hosts
    return HOSTS[-1]


def main():
    for model in SIZES:
        print(f"## {model}: {dense_bytes(model) / 1e6:.1f} MB of dense gradients\n")
        for title, batch_of in (("A batch of 32", lambda hosts: 32), ("32 a host", lambda hosts: 32 * hosts)):
            print(f"{title}, examples per second:\n\n{table(model, batch_of)}\n")
            stops = ", ".join(f"{stops_paying(model, link, batch_of)} at {link} Gb/s" for link in LINKS)
            print(f"Doubling brings at least 1.5 times as much up to {stops}.\n")


if __name__ == "__main__":
    main()
