"""The arithmetic: medians over interleaved rounds, ratios round by round, and what is called a loss."""

import math
import statistics

SUBJECT = "Russet"
# What differs by less is the same: two runs of one program do not agree any better.
SAME = 0.01


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratio(ours, theirs):
    """The median of the rounds' ratios: what disturbs a round disturbs both alike."""
    return median([a / b for a, b in zip(ours, theirs) if a is not None and b])


def geometric_mean(values):
    values = [value for value in values if value]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def interleaved(items, rounds):
    """The order of things: each item once in each round, and another one first each time."""
    for number in range(rounds):
        first = number % len(items)
        yield items[first:] + items[:first]


def measured(parties, rounds, warm_up, work):
    """By server the median of what `work` says of its party, when each was warmed up; the parties are ended with that."""
    try:
        for party in parties:
            warm_up(party)
        results = {party.server.name: [] for party in parties}
        for order in interleaved(parties, rounds):
            for party in order:
                results[party.server.name].append(work(party))
        return {name: median(values) for name, values in results.items()}
    finally:
        for party in parties:
            party.end()


def loss(figures, less_is_better=True):
    """How far the subject is behind the better peer, as a part of its figure; None if it is not behind."""
    ours = figures.get(SUBJECT)
    peers = [value for name, value in figures.items() if name != SUBJECT and value is not None]
    if ours is None or not peers:
        return None
    best = min(peers) if less_is_better else max(peers)
    if not best or not ours:
        return None
    behind = ours / best - 1 if less_is_better else best / ours - 1
    return behind if behind > SAME else None


def short(value, digits=3):
    """A number with so many digits that count, without an exponent."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if value >= 1e6:
        return short(value / 1e6, digits) + " M"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"


class Table:
    """Rows of figures of each server, as Markdown; remembers the losses."""

    def __init__(self, names):
        self.names, self.rows, self.losses = names, [], []

    def add(self, what, figures, unit="", less_is_better=True):
        behind = loss(figures, less_is_better)
        cells = [short(figures.get(name)) for name in self.names]
        mark = ""
        if behind is not None:
            mark = f"**loss**, {behind:.0%}"
            self.losses.append(f"{what}: {behind:.0%} behind the better peer")
        self.rows.append([what, unit, *cells, mark])

    def markdown(self):
        return markdown(["", "", *self.names, ""], self.rows)


def markdown(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
