# SPDX-License-Identifier: MIT
"""Services whose application is tests/modules/messages.c: what they are told to send, and what they have heard."""

from urllib.parse import quote_plus

from muster import wait_for

CONFIG = {"muster.module": "messages", "worker.workers": 2}


class Peer:
    """One worker, on a connection of its own, or the agent, by way of that worker."""

    def __init__(self, client, pid, agent=False):
        self.client = client
        self.pid = pid
        self.is_agent = agent

    def get(self, target):
        response = self.client.get(target)
        assert response.status in (200, 409, 502), response
        return response

    def do(self, command):
        """Has it send something. Returns what the call returned, as the name of an error or "0"."""
        if self.is_agent:
            return self.get(f"/do?c=say+agent+do+{command.replace(' ', ',')}").text
        return self.get(f"/do?c={quote_plus(command)}").text

    def ask(self, to, action, data="", timeout=10000):
        """(status, text) of the reply, or of the error."""
        response = self.get(f"/ask?to={to}&action={action}&data={quote_plus(data)}&timeout={timeout}")
        return response.status, response.text

    def notes(self):
        if self.is_agent:
            return self.ask("agent", "notes")[1].splitlines()
        return self.get("/notes").text.splitlines()

    def heard(self, *begins):
        """The notes that begin like that."""
        return [line for line in self.notes() if line.startswith(begins)]

    def wait(self, begin, count=1):
        """Waits for as many notes that begin like that, and returns them."""
        return wait_for(lambda: len(found := self.heard(begin)) >= count and found, f"{count} × {begin!r} in {self.notes()}")

    def streams(self):
        """{sender: (count, out of order, bytes)} of the action "count"."""
        text = self.ask("agent", "streams")[1] if self.is_agent else self.get("/streams").text
        rows = [list(map(int, line.split())) for line in text.splitlines()]
        return {row[0]: tuple(row[1:]) for row in rows}

    def wait_count(self, sender, count):
        """Waits until that many of a sender have come, and checks that none was out of order."""
        wait_for(lambda: self.streams().get(sender, (0,))[0] >= count, f"{count} from {sender}")
        assert self.streams()[sender][:2] == (count, 0)

    def settle(self):
        """Returns when everything that was sent to it before has been handled: what it sends itself comes last."""
        before = len(self.heard("note " + str(self.pid)))
        assert self.do(f"say {self.pid} note settled") == "0"
        wait_for(lambda: len(self.heard("note " + str(self.pid))) > before, "its own message")


def peers(muster):
    """A Peer for each worker, and the agent's behind them."""
    found = [Peer(muster.client_of(pid), pid) for pid in muster.worker_pids()]
    return [*found, Peer(found[0].client, muster.agent(), agent=True)]


def close(found):
    """Ends their connections, for which workers that drain would wait."""
    for peer in found:
        peer.client.close()
