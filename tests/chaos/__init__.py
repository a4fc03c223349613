"""What survives a bad night: `make chaos`, or `PYTHONPATH=tests python -m chaos --help`.

A load with a ledger, a nemesis that kills, stops, restarts and cuts off everything, and a checker that compares the
ledger with what database, streams, clients and displays say afterwards. The same seed gives the same faults.

| Module | What it owns |
|---|---|
| `world` | the platform as real processes, every connection of theirs through a `proxy` |
| `components` | one thing that can be killed, stopped and started; `disk`, what it writes to |
| `towns`, `double` | who stands where, and the ChirpStack double with their displays, as a process |
| `ledger` | what was sent and what was answered; `mqtt_tap`, what the broker delivered |
| `load`, `bookings`, `follower` | uplinks, reservations over HTTP, clients of the event stream |
| `nemesis` | the plan of faults (pure), and its execution |
| `recovery` | how long after a fault everything was caught up with |
| `gathering`, `evidence` | what is left afterwards: how it is read, and what it is |
| `expectation`, `checker` | what should have been, and the difference; both pure |
| `rounds`, `report` | one round after the other, and what they showed |
"""
