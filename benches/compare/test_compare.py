"""What the report says rests on this arithmetic and on this reading of other programs' output.

python3 -m unittest discover -s benches/compare
"""

import os
import socket
import threading
import time
import unittest

import figures
import servers
import singles
import snapshot
import throughput
import workers
import workloads


class Arithmetic(unittest.TestCase):
    def test_medians_pass_over_rounds_that_failed(self):
        self.assertEqual(figures.median([3, None, 1, 2]), 2)
        self.assertIsNone(figures.median([None]))

    def test_ratios_are_taken_round_by_round(self):
        # The second round was disturbed; it was for both.
        self.assertEqual(figures.ratio([1, 10, 1], [2, 20, 2]), 0.5)
        self.assertEqual(figures.ratio([1, None, 1], [2, 20, None]), 0.5)
        self.assertIsNone(figures.ratio([1], [0]))

    def test_geometric_means(self):
        self.assertAlmostEqual(figures.geometric_mean([0.5, 2, None]), 1)
        self.assertIsNone(figures.geometric_mean([None]))

    def test_each_goes_first_in_turn(self):
        self.assertEqual(list(figures.interleaved([1, 2, 3], 4)), [[1, 2, 3], [2, 3, 1], [3, 1, 2], [1, 2, 3]])

    def test_a_loss_is_measured_against_the_better_peer(self):
        self.assertAlmostEqual(figures.loss({"Russet": 1.2, "Valkey": 1.0, "Redis": 2.0}), 0.2)
        self.assertAlmostEqual(figures.loss({"Russet": 50, "Valkey": 60, "Redis": 40}, less_is_better=False), 0.2)
        self.assertIsNone(figures.loss({"Russet": 1.0, "Valkey": 1.1, "Redis": None}))
        self.assertIsNone(figures.loss({"Russet": 1.005, "Valkey": 1.0}))
        self.assertIsNone(figures.loss({"Russet": 1.0}))

    def test_numbers_are_short(self):
        shown = [figures.short(value) for value in (None, 0, 0.01234, 1.234, 45.67, 123.4, 98765, 4_321_000)]
        self.assertEqual(shown, ["–", "0", "0.0123", "1.23", "45.7", "123", "98,765", "4.32 M"])

    def test_a_table_marks_losses_and_remembers_them(self):
        table = figures.Table(["Russet", "Valkey"])
        table.add("start", {"Russet": 2.0, "Valkey": 1.0}, "ms")
        table.add("speed", {"Russet": 2.0, "Valkey": 1.0}, less_is_better=False)
        self.assertEqual(table.losses, ["start: 100% behind the better peer"])
        self.assertEqual(table.markdown().splitlines()[2], "| start | ms | 2.00 | 1.00 | **loss**, 100% |")
        self.assertEqual(table.markdown().splitlines()[3], "| speed |  | 2.00 | 1.00 |  |")


class Snapshots(unittest.TestCase):
    FIGURES = snapshot.Figures(100, 0.9, 1.0, 1.2, 1.2, 50.0, 2.0, 5.0, 3.0, None)

    def test_losses_are_those_of_one_kind_of_data(self):
        long = self.FIGURES._replace(seconds=1.0)
        rows = [
            ("keys", "BGSAVE", "Russet", self.FIGURES),
            ("keys", "BGSAVE", "Valkey", self.FIGURES._replace(seconds=6.0, extra=90.0)),
            ("text", "BGSAVE", "Russet", long._replace(seconds=1.5, kept=0.5, step=0.25)),
            ("text", "BGSAVE", "Valkey", long),
        ]
        text, losses = snapshot.report(rows)
        what = ["80% behind in requests per second with a snapshot over without one", "50% behind in seconds"]
        self.assertEqual(losses, [f"BGSAVE of text: {it}" for it in what])
        lines = text.splitlines()
        self.assertEqual(lines[2], "| keys | BGSAVE | Russet | 100 | 0.90 | 1.00 | 1.20 | 1.20 | 50.0 | 2.0 % | 5.00 | 3.00 | – |")
        self.assertEqual(lines[0].count("|"), lines[2].count("|"))


class Generator(unittest.TestCase):
    CSV = (
        '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"\n'
        '"GET key:__rand_int__","102040.82","0.255","0.080","0.247","0.351","0.487","1.223"\n'
    )

    def test_reads_what_the_generator_writes(self):
        self.assertEqual(throughput.parse("WARNING: some\n" + self.CSV), {"rps": 102040.82, "p50": 0.247, "p99": 0.487})

    def test_output_without_figures_is_none(self):
        for text in ("", "Error: refused\n", self.CSV.splitlines()[0], self.CSV.replace("102040.82", "0.00")):
            self.assertIsNone(throughput.parse(text))

    def rounds(self, generator_busy, server_busy):
        run = lambda cpu: {"cpu": cpu, "rps": 1 / cpu, "p50": 1, "p99": 1} | {
            "generator_busy": generator_busy,
            "server_busy": server_busy,
            "others": 0.25,
        }
        return throughput.Rounds(workloads.ALL[0], 16, {"Russet": [run(2.0), None, run(4.0)], "Valkey": [run(1.0)] * 3})

    def test_a_row_says_what_was_lost(self):
        text, losses = throughput.report([self.rounds(0.5, 1.0)], ["Russet", "Valkey"])
        self.assertIn("| PING | 16 | 3.00 / 1.00 |", text)
        self.assertEqual(losses[0], "PING, P=16: 200% behind in processor time")
        self.assertEqual(len(losses), 2)
        self.assertIn("processor time per request 3.00", text)
        self.assertIn("took 25% of a core (median), at most 25%", text)

    def test_a_busy_generator_says_nothing_of_speed(self):
        text, losses = throughput.report([self.rounds(0.99, 0.5)], ["Russet", "Valkey"])
        self.assertEqual(len(losses), 1)
        self.assertIn("| G, **loss**", text)


class Kernel(unittest.TestCase):
    def test_processor_time_of_this_process_grows(self):
        before = servers.cpu_us(os.getpid())
        self.work_until(lambda: servers.cpu_us(os.getpid()) > before)

    def test_processor_time_of_the_machine_grows(self):
        before = throughput.machine_busy()
        self.work_until(lambda: throughput.machine_busy() > before)

    def work_until(self, holds):
        """The kernel writes times up at its ticks, so a fixed piece of work may end before one."""
        end = time.monotonic() + 10
        while not holds():
            self.assertLess(time.monotonic(), end, "ten seconds of work were not counted")
            sum(range(10_000))

    def test_numbers_of_status(self):
        text = "VmRSS:\t    1234 kB\nRssAnon:\t     56 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t8\n"
        self.assertEqual(servers.status_number(text, "RssAnon"), 56)
        self.assertEqual(servers.status_number(text, "voluntary_ctxt_switches"), 7)
        with self.assertRaises(KeyError):
            servers.status_number(text, "VmHWM")


class Protocol(unittest.TestCase):
    def test_requests_and_chunks(self):
        self.assertEqual(servers.encode(["GET", b"k", 12]), b"*3\r\n$3\r\nGET\r\n$1\r\nk\r\n$2\r\n12\r\n")
        self.assertEqual(list(servers.chunks_of([b"aa", b"bb", b"c"], 4)), [b"aabb", b"c"])

    def test_a_load_is_the_same_however_it_is_cut(self):
        self.assertEqual(b"".join(singles.Load(100, 60).chunks), b"".join(singles.Load(100, 1000).chunks))
        self.assertEqual(len(singles.Load(100, 60).chunks), 100)

    def test_every_data_set_makes_one_request_for_a_number(self):
        for name, count, request in singles.data_sets(1000):
            self.assertTrue(request(count - 1).startswith(b"*"), name)
            self.assertEqual(request(7), request(7))

    def test_a_refusal_is_noticed_while_loading(self):
        listener = socket.create_server(("127.0.0.1", 0))

        def refuse():
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"-OOM no\r\n$8\r\nthe-mark\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        with servers.Client(listener.getsockname()[1]) as client:
            with self.assertRaises(OSError):
                client.send_all([servers.encode(["SET", "a", "b"])])
        thread.join()
        listener.close()


class Workers(unittest.TestCase):
    def test_acknowledge_what_they_were_given(self):
        entry = lambda taken: servers.encode(("jobs", taken, "field", "xxx"))
        self.assertEqual(workers.ID.findall(entry("0-1000000") + entry("0-1000001")), [b"0-1000000", b"0-1000001"])

    def test_each_entry_is_added_once(self):
        sent = b"".join(workers.jobs(120))
        self.assertEqual(len(set(workers.ID.findall(sent))), 120)
        self.assertTrue(sent.startswith(b"*2\r\n$3\r\nDEL"))


class Workloads(unittest.TestCase):
    def test_names_are_unique_and_quick_ones_exist(self):
        names = [workload.name for workload in workloads.ALL]
        self.assertEqual(len(names), len(set(names)))
        self.assertTrue(set(workloads.QUICK) <= set(names))

    def test_collections_are_filled_to_the_last_element(self):
        sent = b"".join(workloads.SET(250))
        self.assertEqual(sent.count(b"element:"), 250)
        self.assertTrue(sent.startswith(b"*2\r\n$3\r\nDEL"))


if __name__ == "__main__":
    unittest.main()
