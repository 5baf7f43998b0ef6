"""Hosts of their own on one machine: network namespaces on a bridge, each with an address, apart from the machine's.

Takes root and iproute2. Every host sees the machine's files, and nothing of its network; 127.0.0.1 is each host's own.
"""

import contextlib
import os
import shutil
import subprocess

import pytest

SUBNET = "10.231.77."  # of a bridge that leads nowhere: it may be in use outside


def why_not():
    """Returns why no hosts can be made here, or None."""
    if os.geteuid():
        return "hosts of their own take root"
    if not shutil.which("ip"):
        return "hosts of their own take iproute2"
    done = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True)
    return f"hosts of their own take network namespaces: {done.stderr.strip()}" if done.returncode else None


def ip(*arguments):
    """Runs ip, which must succeed; returns what it printed."""
    return subprocess.run(["ip", *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True).stdout


class Host:
    """One of make_hosts'.

    Attributes:
      name: of its network namespace.
      address: str, IPv4.
    """

    def __init__(self, number):
        self.name, self.address = f"host{number}-{os.getpid()}", f"{SUBNET}{number}"
        self._link = f"h{number}-{os.getpid()}"

    def start(self, *command, **options):
        """Starts a command on the host; returns its subprocess.Popen, which heads a process group of its own."""
        command = ["ip", "netns", "exec", self.name, *map(str, command)]
        return subprocess.Popen(command, start_new_session=True, **options)

    def run(self, *command, **options):
        """Runs a command on the host; returns the finished process, its output as text."""
        command = ["ip", "netns", "exec", self.name, *map(str, command)]
        return subprocess.run(command, **{"capture_output": True, "text": True, **options})

    def unplug(self):
        """Takes the host off the network: nothing arrives any more, and no one is told."""
        ip("-n", self.name, "link", "set", "eth0", "down")

    def plug(self):
        """Puts it back."""
        ip("-n", self.name, "link", "set", "eth0", "up")

    def kill(self):
        """Sends SIGKILL to every process on the host."""
        for _ in range(20):  # one that is being started may escape the first time
            pids = ip("netns", "pids", self.name).split()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
            if not pids:
                return

    def crash(self):
        """Ends the host as a power cut does: off the network first, so that no process can say goodbye."""
        self.unplug()
        self.kill()


@contextlib.contextmanager
def make_hosts(count):
    """Yields a list of `count` Hosts that reach each other; kills and removes them in the end.

    Skips the test, with a line that says why, where they cannot be made.
    """
    reason = why_not()
    if reason:
        pytest.skip(reason)
    hosts, switch = [Host(number + 1) for number in range(count)], f"switch-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        ip("netns", "add", switch)
        stack.callback(ip, "netns", "del", switch)
        ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge", "up")
        for host in hosts:
            ip("netns", "add", host.name)
            stack.callback(ip, "netns", "del", host.name)
            stack.callback(host.kill)
            ip("link", "add", host._link, "netns", switch, "type", "veth", "peer", "name", "eth0", "netns", host.name)
            ip("-n", switch, "link", "set", host._link, "master", "bridge", "up")
            ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", "eth0")
            ip("-n", host.name, "link", "set", "lo", "up")
            ip("-n", host.name, "link", "set", "eth0", "up")
        yield hosts
