"""The kernel's protocol, spoken by Jupyter's own client: the suite of jupyter_kernel_test, and what is ours.

Run by tests/program/kernel.rs, which installs the kernel where JUPYTER_PATH points.
"""
import base64
import os
import signal
import time
import unittest

import jupyter_kernel_test
from jupyter_client.manager import start_new_kernel


class Conformance(jupyter_kernel_test.KernelTests):
    kernel_name = "jemscript"
    language_name = "jemscript"
    file_extension = ".rhai"
    code_hello_world = 'print("hello, world")'
    completion_samples = [
        {"text": "nn::lin", "matches": {"linear"}},
        {"text": "let s = sampler::sgld(#{ step_s", "matches": {"step_size", "step_size_end"}},
        {"text": "// nn::lin", "matches": set()},
    ]
    complete_code_samples = ["1 + 1", "let x = 3;", "", "fn f(x) { x }", "undefined_name + 1"]
    incomplete_code_samples = ["f(1,", "fn f(x) {", "let x =", "`a ${"]
    invalid_code_samples = ["let let = 3;", "1 ) 2"]
    code_generate_error = "tensor::zeros([-1])"
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": '"a" + "b"', "result": "ab"},
        {"code": "nn::linear(2, 1)", "mime": "text/html"},
    ]
    code_display_data = [
        {"code": "display(1)", "mime": "text/plain"},
        {"code": "display(tensor::rand([4, 1, 8, 8]))", "mime": "image/png"},
    ]
    code_inspect_sample = "nn::linear"
    code_history_pattern = "6 ? 7*"
    supported_history_operations = ("tail", "range", "search")


class Ours(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.km, cls.kc = start_new_kernel(kernel_name="jemscript")

    @classmethod
    def tearDownClass(cls):
        cls.kc.stop_channels()
        cls.km.shutdown_kernel()

    def outputs(self, sent, timeout=15, until=None):
        """The messages that belong to a request, up to idle or the first for which `until` holds."""
        found = []
        while True:
            message = self.kc.get_iopub_msg(timeout=timeout)
            if message["parent_header"].get("msg_id") != sent:
                continue
            kind, content = message["msg_type"], message["content"]
            found.append((kind, content))
            if (until and until(kind, content)) or (kind == "status" and content["execution_state"] == "idle"):
                return found

    def reply(self, sent, timeout=15):
        while True:
            message = self.kc.get_shell_msg(timeout=timeout)
            if message["parent_header"]["msg_id"] == sent:
                return message["content"]

    def run_cell(self, code, **options):
        sent = self.kc.execute(code, **options)
        return self.reply(sent), self.outputs(sent)

    def value(self, code):
        _, outputs = self.run_cell(code)
        return next(c["data"]["text/plain"] for k, c in outputs if k == "execute_result")

    def printed(self, outputs, name="stdout"):
        return "".join(c["text"] for k, c in outputs if k == "stream" and c["name"] == name)

    def test_state_crosses_cells(self):
        self.run_cell("let x = 3; const K = 4; fn twice(n) { 2 * n }")
        self.assertEqual(self.value("twice(x) + K"), "10")
        # An error keeps what came before it.
        reply, _ = self.run_cell('x = 5; let y = 1; throw "no"; x = 6;')
        self.assertEqual(reply["status"], "error")
        self.assertEqual(self.value("twice(x) + y"), "11")
        self.assertEqual([k for k, _ in self.run_cell("let z = 1;")[1]], ["status", "execute_input", "status"])

    def test_errors_are_diagnostics(self):
        reply, outputs = self.run_cell("let a = 1;\nnn::liner(2, 1)")
        text = "\n".join(reply["traceback"])
        self.assertIn(f"cell #{reply['execution_count']}:2:5", text)
        self.assertIn("linear", text)
        self.assertIn("liner", reply["evalue"])
        self.assertEqual(reply["ename"], "Name")
        error = next(c for k, c in outputs if k == "error")
        self.assertEqual(error["traceback"], reply["traceback"])
        # A function's error names the cell that it was written in.
        first, _ = self.run_cell("fn broken() {\n  tensor::zeros([-1])\n}")
        reply, _ = self.run_cell("broken()")
        text = "\n".join(reply["traceback"])
        self.assertIn(f"cell #{first['execution_count']}:2:", text)
        self.assertIn(f"cell #{reply['execution_count']}:1:", text)

    def test_habits_of_other_notebooks_have_hints(self):
        for code, hint in {
            "!ls": "for a terminal",
            "!ls -la": "for a terminal",
            "!pip install numpy": "nothing is installed",
            "%pip install numpy": "nothing is installed",
            "%%time\nlet habit = 1;": "timestamp()",
            "%timeit 1 + 1": "timestamp()",
            "%matplotlib inline": "without it",
            "%who": "Python notebooks",
            "?nn::linear": 'help("nn::linear")',
            "nn::linear?": 'help("nn::linear")',
            "let net = nn::linear(2, 1);\nnet?": "help(net)",
        }.items():
            reply, _ = self.run_cell(code)
            self.assertEqual(reply["status"], "error", code)
            self.assertIn(hint, "\n".join(reply["traceback"]), code)
        # What looks like it and is right stays right.
        self.assertEqual(self.value("let ls = false;\n!ls"), "true")
        self.assertEqual(self.value("7\n% 4"), "3")
        self.assertEqual(self.value("let t = timestamp(); t.elapsed >= 0.0"), "true")

    def test_parameters_are_set_from_a_cell(self):
        self.run_cell('let rate = param("rate", 0.1); let steps = param("steps", 5); let other = param("hidden", 1);')
        self.assertEqual(self.value('let rate = set_param("rate", 1); [rate, param("rate", 0.1)]'), "[1.0, 1.0]")
        for code, wanted in {
            'set_param("rat", 1)': "did you mean `rate`",
            'set_param("steps", 0.5)': "must be int",
            'set_param("hidden", 2)': "into no variable",
        }.items():
            self.assertIn(wanted, "\n".join(self.run_cell(code)[0]["traceback"]), code)
        self.assertEqual(self.value('[param("rate", 0.1), param("steps", 5), param("hidden", 1)]'), "[1.0, 5, 1]")

    def test_charts_are_pages_that_follow_the_theme(self):
        _, outputs = self.run_cell("plot::curves(#{ a: [1, 2, 3] })")
        data = next(c["data"] for k, c in outputs if k == "execute_result")
        self.assertIn("image/png", data)
        self.assertIn('data-jp-theme-light="false"', data["text/html"])
        self.assertIn(data["image/png"], data["text/html"])
        _, outputs = self.run_cell("plot::grid(tensor::rand([4, 1, 8, 8]))")
        self.assertNotIn("text/html", next(c["data"] for k, c in outputs if k == "execute_result"))

    def test_cells_behind_an_error_do_not_run(self):
        self.run_cell("let ran = 0;")
        sent = [self.kc.execute(code) for code in ['throw "no"', "ran += 1;", "ran += 1;"]]
        self.assertEqual([self.reply(s)["status"] for s in sent], ["error", "aborted", "aborted"])
        for s in sent:
            self.outputs(s)
        self.assertEqual(self.value("ran"), "0")
        sent = [self.kc.execute('throw "no"', stop_on_error=False), self.kc.execute("ran += 1;")]
        self.assertEqual([self.reply(s)["status"] for s in sent], ["error", "ok"])
        self.assertEqual(self.value("ran"), "1")

    def test_silent_history_and_expressions(self):
        count = self.run_cell("1")[0]["execution_count"]
        reply, outputs = self.run_cell("40 + 2", silent=True)
        self.assertEqual([k for k, _ in outputs], ["status", "status"])
        reply, outputs = self.run_cell("40 + 2", store_history=False)
        self.assertIn("execute_result", [k for k, _ in outputs])
        reply, _ = self.run_cell("let v = 2;", user_expressions={"good": "v + 1", "bad": "nowhere", "set": "v = 9"})
        self.assertEqual(reply["execution_count"], count + 1)
        self.assertEqual(reply["user_expressions"]["good"]["data"]["text/plain"], "3")
        self.assertEqual(reply["user_expressions"]["bad"]["status"], "error")
        self.assertEqual(self.value("v"), "2")

    TRAINING = """
let w = tensor::zeros([2]);
let seen = 0;
let record = train(data::digits(), #{ iterations: %d }, |batch| {
    seen += 1;
    #{ loss: batch.x.mean() + 1.0 / seen }
});
"""

    def test_progress_updates_in_place(self):
        reply, outputs = self.run_cell(self.TRAINING % 60)
        self.assertEqual(reply["status"], "ok")
        first = next(c for k, c in outputs if k == "display_data")
        place = first["transient"]["display_id"]
        updates = [c for k, c in outputs if k == "update_display_data" and c["transient"]["display_id"] == place]
        self.assertIn("60/60", updates[-1]["data"]["text/plain"])
        self.assertIn("done in", updates[-1]["data"]["text/plain"])
        self.assertIn("<progress", updates[-1]["data"]["text/html"])
        # Rate-limited: far fewer than iterations. And the curves at the end.
        self.assertLess(len(updates), 30)
        pictures = [c for k, c in outputs if k == "display_data" and "image/png" in c["data"]]
        self.assertEqual(len(pictures), 1)

    def test_interrupt_stops_a_training_and_keeps_variables(self):
        for how in ["message", "signal", "again"]:
            sent = self.kc.execute(self.TRAINING % 100_000_000)
            running = lambda k, c: k == "update_display_data" and "loss" in c["data"]["text/plain"]
            self.outputs(sent, until=running)
            if how == "message":
                self.km.interrupt_kernel()
            else:
                pid = self.km.provisioner.process.pid
                for _ in range(3):
                    os.kill(pid, signal.SIGINT)
            reply = self.reply(sent)
            self.assertEqual((reply["status"], reply["ename"]), ("error", "Interrupted"), how)
            rest = self.outputs(sent)
            last = [c for k, c in rest if k == "update_display_data"][-1]
            self.assertIn("stopped after", last["data"]["text/plain"])
            self.assertTrue(int(self.value("seen")) > 0)
            self.assertTrue(self.km.is_alive())
        # A script's own loop stops as well, and a stop between cells is forgotten.
        sent = self.kc.execute("let n = 0; loop { n += 1; }")
        time.sleep(0.3)
        self.km.interrupt_kernel()
        self.assertEqual(self.reply(sent)["ename"], "Interrupted")
        # Its answer is waited for: cells come by another socket, and one sent at once may overtake it.
        self.kc.control_channel.send(self.kc.session.msg("interrupt_request"))
        self.assertEqual(self.kc.get_control_msg(timeout=15)["header"]["msg_type"], "interrupt_reply")
        self.assertEqual(self.value("1 + 1"), "2")

    def test_values_show_themselves(self):
        rich = {
            "tensor::rand([3, 8, 8])": "image/png",
            "data::digits()": "image/png",
            "data::digits().test": "image/png",
            "nn::mlp([2, 8, 1])": "text/html",
            "energy::scalar(nn::mlp([2, 8, 1]))": "text/html",
            "plot::curves(#{ a: [1.0, 2.0] })": "image/png",
            "plot::animation([tensor::rand([4, 1, 8, 8]), tensor::rand([4, 1, 8, 8])])": "image/gif",
            "train(data::digits(), #{ iterations: 3 }, |b| b.x.mean())": "image/png",
            "sampler::mala(#{ alpha: 0.1, steps: 5 }).run(energy::double_well(), tensor::randn([8, 2]))": "text/html",
        }
        starts = {"image/png": b"\x89PNG", "image/gif": b"GIF8"}
        for code, kind in rich.items():
            with self.subTest(code=code):
                reply, outputs = self.run_cell(code)
                self.assertEqual(reply["status"], "ok", reply)
                data = next(c["data"] for k, c in outputs if k == "execute_result")
                self.assertIn(kind, data)
                self.assertTrue(data["text/plain"])
                if kind in starts:
                    self.assertTrue(base64.b64decode(data[kind]).startswith(starts[kind]))
        data = next(c["data"] for k, c in self.run_cell("tensor::zeros([2, 2])")[1] if k == "execute_result")
        self.assertEqual(list(data), ["text/plain"])

    def test_slots_are_replaced(self):
        _, outputs = self.run_cell('for i in 0..3 { display(`step ${i}`, "state"); }')
        shown = [(k, c["transient"]["display_id"], c["data"]["text/plain"]) for k, c in outputs if "display" in k]
        self.assertEqual([(k, t) for k, _, t in shown], [
            ("display_data", "step 0"), ("update_display_data", "step 1"), ("update_display_data", "step 2")])
        self.assertEqual(len({i for _, i, _ in shown}), 1)

    def test_much_text_comes_whole_and_in_few_messages(self):
        _, outputs = self.run_cell("for i in 0..20000 { print(i); }")
        self.assertEqual(self.printed(outputs), "".join(f"{i}\n" for i in range(20000)))
        self.assertLess(len(outputs), 400)

    def test_completion_counts_characters(self):
        self.run_cell("let weights = tensor::zeros([2]);")
        code = "let s = `𝑥ü`; weig"
        self.kc.complete(code)
        reply = self.kc.get_shell_msg(timeout=15)["content"]
        self.assertEqual((reply["matches"], reply["cursor_start"], reply["cursor_end"]), (["weights"], 14, 18))
        self.kc.complete("`ü𝑥`; weights.su", 16)
        self.assertIn("sum", self.kc.get_shell_msg(timeout=15)["content"]["matches"])
        self.kc.inspect("weights", 3)
        reply = self.kc.get_shell_msg(timeout=15)["content"]
        self.assertTrue(reply["found"])
        self.assertIn("tensor", reply["data"]["text/plain"])
        self.kc.inspect("nowhere_at_all", 3)
        self.assertFalse(self.kc.get_shell_msg(timeout=15)["content"]["found"])

    def test_wrong_messages_do_no_harm(self):
        self.kc.session.send(self.kc.shell_channel.socket, "nonsense_request", {"a": 1})
        self.kc.session.send(self.kc.shell_channel.socket, "execute_request", {})
        key, self.kc.session.key = self.kc.session.key, b"wrong"
        self.kc.session.send(self.kc.shell_channel.socket, "execute_request", {"code": "let forged = 1;"})
        self.kc.session.key = key
        self.assertEqual(self.value("1 + 1"), "2")
        self.assertEqual(self.run_cell("forged")[0]["status"], "error")

    def test_restart_and_shutdown(self):
        km, kc = start_new_kernel(kernel_name="jemscript")
        try:
            kc.execute_interactive("let x = 1;", timeout=15)
            # In the middle of a training.
            kc.execute(self.TRAINING % 100_000_000)
            time.sleep(0.5)
            started = time.time()
            km.restart_kernel()
            kc.wait_for_ready(timeout=15)
            self.assertLess(time.time() - started, 8)
            self.assertEqual(kc.execute_interactive("x", timeout=15, output_hook=lambda m: None)["content"]["status"], "error")
        finally:
            kc.stop_channels()
            km.shutdown_kernel()
        self.assertFalse(km.is_alive())

    def history(self, kc, **what):
        sent = kc.history(**what)
        while True:
            # The client asks a kernel that starts several times whether it is there.
            message = kc.get_shell_msg(timeout=15)
            if message["parent_header"]["msg_id"] == sent:
                return [tuple(found) for found in message["content"]["history"]]

    def test_history_outlasts_the_kernel(self):
        cells = ["let u = 41; // ü", "u +\n1", "u + 1;"]
        km, kc = start_new_kernel(kernel_name="jemscript")
        for code in cells:
            kc.execute_interactive(code, timeout=15, output_hook=lambda m: None)
        kc.execute_interactive("u + 7", timeout=15, store_history=False, output_hook=lambda m: None)
        here = self.history(kc, hist_access_type="range", output=True)
        self.assertEqual([(line, *found) for _, line, found in here],
                         [(1, cells[0], ""), (2, cells[1], "42"), (3, cells[2], "")])
        first = here[0][0]
        # Killed: what was run is on disk already.
        kc.stop_channels()
        km.shutdown_kernel(now=True)

        km, kc = start_new_kernel(kernel_name="jemscript")
        try:
            all_of_first = [(first, n, code) for n, code in enumerate(cells, 1)]
            self.assertEqual(self.history(kc, hist_access_type="tail", n=3), all_of_first)
            self.assertEqual(self.history(kc, hist_access_type="range", session=-1, start=2, stop=3), all_of_first[1:2])
            kc.execute_interactive("u +\n1", timeout=15, output_hook=lambda m: None)
            second = self.history(kc, hist_access_type="range", session=0)[0][0]
            self.assertGreater(second, first)
            self.assertEqual(self.history(kc, hist_access_type="tail", n=2), [all_of_first[2], (second, 1, cells[1])])
            self.assertEqual(self.history(kc, hist_access_type="range", session=first, start=1, stop=3), all_of_first[:2])
            self.assertEqual(self.history(kc, hist_access_type="range", session=first, start=1, stop=2, output=True),
                             [(first, 1, [cells[0], None])])
            self.assertEqual(self.history(kc, hist_access_type="search", pattern="u ?*1"),
                             [all_of_first[1], (second, 1, cells[1])])
            self.assertEqual(self.history(kc, hist_access_type="search", pattern="u*1*", unique=True),
                             [all_of_first[2], (second, 1, cells[1])])
        finally:
            kc.stop_channels()
            km.shutdown_kernel()

    def test_latency(self):
        """Prints what docs/results.md quotes; asserts nothing, since machines differ."""
        cells = {
            "a trivial cell, `1 + 1`": "1 + 1",
            "a grid of 64 images": "data::digits().train.images(64)",
            "a cell with an error": "nowhere",
        }
        for name, code in cells.items():
            times = []
            for _ in range(31):
                started = time.perf_counter()
                sent = self.kc.execute(code)
                self.reply(sent)
                times.append(1e3 * (time.perf_counter() - started))
                self.outputs(sent)
            times.sort()
            print(f"{name}: median {times[15]:.1f} ms, slowest of 31 {times[-1]:.1f} ms")
        started = time.perf_counter()
        km, kc = start_new_kernel(kernel_name="jemscript")
        reply = kc.execute_interactive("1 + 1", timeout=30, output_hook=lambda m: None)
        print(f"start to the first answer: {time.perf_counter() - started:.2f} s")
        self.assertEqual(reply["content"]["status"], "ok")
        kc.stop_channels()
        km.shutdown_kernel()


if __name__ == "__main__":
    unittest.main(verbosity=1)
