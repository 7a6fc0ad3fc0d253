# SPDX-License-Identifier: MIT
"""The bundled applications as services, and what the tests of both kinds of package ask of them."""

from container import wait_until

HELLO = "muster@hello.service"
FAULTS = "muster@faults.service"
HELLO_URL = "http://127.0.0.1:8080/"
FAULTS_URL = "http://127.0.0.1:8081"
CRASH_ID = "8f6c1d2e0b9a4f7d9a53c4e7b1206f35"
CLIENTS = 4

# One client: requests one after the other, each on a connection of its own, until it is told to end. The last
# line says how many it sent and how many of them failed.
CLIENT = """
n=$1 url=$2 sent=0 failed=0
while [ ! -e /run/enough ]; do
        curl --silent --fail --max-time 20 --output /dev/null "$url" || failed=$((failed + 1))
        sent=$((sent + 1))
        touch /run/sent.$n
done
echo $sent $failed
"""


def muster_processes(container):
    return {pid: line for pid, line in container.processes().items() if "muster-" in line}


def crash(container):
    """Crashes a worker and returns the journal's entry about it."""
    status, _ = container.http(f"{FAULTS_URL}/crash?signal=SEGV")
    assert status == 500
    entries = wait_until(lambda: container.journal("-u", FAULTS, f"MESSAGE_ID={CRASH_ID}"), "the crash is in the log")
    return entries[-1]


def requests_during(container, url, action):
    """Has several clients make requests while action() runs. Returns (how many were sent, how many failed)."""
    numbers = [str(n) for n in range(CLIENTS)]
    clients = [container.popen("sh", "-c", CLIENT, "sh", n, url) for n in numbers]
    for n in numbers:
        wait_until(lambda n=n: container.succeeds("test", "-e", f"/run/sent.{n}"), "the client has sent something")
    try:
        action()
    finally:
        container.run("touch", "/run/enough")
        outputs = [client.communicate(timeout=60)[0] for client in clients]
    counts = [[int(word) for word in output.split()[-2:]] for output in outputs]
    return sum(sent for sent, _ in counts), sum(failed for _, failed in counts)
