#!/usr/bin/env python3
"""Kills a server under load, again and again: every transaction that a client was told is committed
is there afterwards, and every other one is whole or absent.

usage: kill_under_load.py [ROUNDS]     (50; run.py does two)
"""

import random
import sys
import tempfile
import threading
import time

import run

ROWS = 3  # Of a transaction.


class Client(threading.Thread):
    """Commits transactions of its own until the server is gone."""

    def __init__(self, url, number, first):
        super().__init__()
        self.url, self.number, self.next = url, number, first
        self.acknowledged = []

    def run(self):
        import psycopg
        try:
            with psycopg.connect(self.url, autocommit=True) as connection:
                while True:
                    with connection.transaction():
                        for row in range(ROWS):
                            connection.execute("insert into kept values (%s, %s, %s)",
                                               (self.number, self.next, row))
                    self.acknowledged.append(self.next)
                    self.next += 1
        except psycopg.Error:
            self.next += 1  # Whatever came of that one, its number is used.


def kill_rounds(folder, rounds):
    """Number of transactions that were acknowledged."""
    import psycopg
    server = run.Server(folder).start()
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("create table kept (client int, txn int, part int, "
                           "primary key (client, txn, part))")
    acknowledged = {number: set() for number in range(4)}
    first = dict.fromkeys(acknowledged, 0)
    for _ in range(rounds):
        clients = [Client(server.url, number, first[number]) for number in acknowledged]
        for client in clients:
            client.start()
        time.sleep(random.uniform(0.2, 0.8))
        server.kill()
        for client in clients:
            client.join(60)
            acknowledged[client.number].update(client.acknowledged)
            first[client.number] = client.next
        server.start()
        with psycopg.connect(server.url) as connection:
            found = connection.execute("select client, txn, count(*) from kept group by 1, 2")
            there = {number: set() for number in acknowledged}
            for number, transaction, count in found:
                assert count == ROWS, f"a part of {(number, transaction)}: {count} rows"
                there[number].add(transaction)
        for number, known in acknowledged.items():
            assert known <= there[number], f"lost of {number}: {known - there[number]}"
    server.stop()
    return sum(map(len, acknowledged.values()))


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    with tempfile.TemporaryDirectory() as folder:
        count = kill_rounds(folder, rounds)
    print(f"{rounds} kills, {count} transactions acknowledged, none lost, none in parts")


if __name__ == "__main__":
    main()
