"""How many hosts pay: reckons steps per second of data-parallel fine-tuning. python docs/scaling.py prints docs/scaling.md's tables.

Standard library only. A step is each host's computing, then an allreduce of the dense gradients in a ring, then an allgather
of the word embeddings' slices. Source of the ring's cost: Patarasu and Yuan, "Bandwidth optimal all-reduce algorithms for
clusters of workstations", 2009.
"""

HOSTS = (1, 2, 4, 8, 16, 32, 64)
LINKS = (1, 10, 100)  # Gb/s
LATENCY = 50e-6  # s a message, TCP within a data centre
FUSION = 64 * 2**20  # bytes that Horovod reduces together at most
FLOAT = 4  # bytes

# Measured on one host of two cores, see docs/scaling.md: seconds of a step, by batch size.
COMPUTE = {"MiniLM-L6": (SECONDS_FIXED, SECONDS_AN_EXAMPLE), "BERT-base": (BASE_FIXED, BASE_AN_EXAMPLE)}
# Vocabulary, hidden size, layers, positions, sequence length.
SIZES = {"MiniLM-L6": (30522, 384, 6, 512, 48), "BERT-base": (30522, 768, 12, 512, 128)}


def dense_bytes(model):
    """Returns the bytes of the gradients that are reduced: of all weights but the word embeddings."""
    _, hidden, layers, positions, _ = SIZES[model]
    layer = 4 * hidden * (hidden + 1) + 2 * 4 * hidden * hidden + 5 * hidden + 2 * 2 * hidden
    return FLOAT * (layers * layer + (positions + 2 + 2) * hidden + hidden * (hidden + 1) + 2 * (hidden + 1))


def slice_bytes(model, batch_size):
    """Returns the bytes of a batch's gradients of word embeddings, a slice for each id."""
    _, hidden, _, _, length = SIZES[model]
    return FLOAT * batch_size * length * hidden


def step_seconds(model, hosts, gigabits, batch_size):
    """Returns the seconds of a step of `batch_size` examples in all, shared by `hosts`, each with such a link."""
    fixed, each = COMPUTE[model]
    bandwidth = gigabits * 1e9 / 8
    dense, slices = dense_bytes(model), slice_bytes(model, batch_size)
    messages = 2 * (hosts - 1) * -(-dense // FUSION) + (hosts - 1)
    network = (2 * dense + slices) * (hosts - 1) / hosts / bandwidth + messages * LATENCY
    return fixed + each * batch_size / hosts + network


def table(model, batch_of):
    """Returns Markdown: examples per second by hosts and links, `batch_of(hosts)` being the batch of all hosts."""
    lines = [f"| {model}: hosts | batch |" + "".join(f" {link} Gb/s |" for link in LINKS)]
    lines.append("| ---: | ---: |" + " ---: |" * len(LINKS))
    for hosts in HOSTS:
        batch_size = batch_of(hosts)
        if batch_size >= hosts:
            rates = [batch_size / step_seconds(model, hosts, link, batch_size) for link in LINKS]
            lines.append(f"| {hosts} | {batch_size} |" + "".join(f" {rate:.1f} |" for rate in rates))
    return "\n".join(lines)


def stops_paying(model, gigabits, batch_of):
    """Returns the number of hosts beyond which twice as many bring less than 1.5 times the examples per second."""
    for hosts, more in zip(HOSTS, HOSTS[1:]):
        if batch_of(more) < more:
            return hosts
        rates = [batch_of(n) / step_seconds(model, n, gigabits, batch_of(n)) for n in (hosts, more)]
        if rates[1] < 1.5 * rates[0]:
            return hosts
    return HOSTS[-1]


def main():
    for title, batch_of in (("The same batch of 32", lambda hosts: 32), ("32 a host", lambda hosts: 32 * hosts)):
        print(f"### {title}\n")
        for model in SIZES:
            print(table(model, batch_of) + "\n")
            stops = ", ".join(f"{stops_paying(model, link, batch_of)} at {link} Gb/s" for link in LINKS)
            print(f"Twice as many hosts bring less than 1.5 times as much beyond: {stops}.\n")


if __name__ == "__main__":
    main()
