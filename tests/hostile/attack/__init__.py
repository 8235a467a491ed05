"""Attacks on a running server, and what honest people notice of them.

The harness starts `server.py` with its default settings. Processes of their own play the people and the attackers, so
that none of them waits for the Python of another one:

    bystanders.py   four people who chat, one more who reads slowly, and newcomers who log in
    pupils.py       a class that arrives while the attack goes on
    attacks.py      the one table of attacks
    trial.py        one server, one attack, and what was measured
    report.py       the bounds, and the table

`python -m tests.hostile.attack` prints the whole table. The tests beside this folder run each attack for a short time.
"""
