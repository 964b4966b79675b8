"""JupyterLab in a headless browser: open a notebook, run its cells, see the picture, stop a training, go on.

Speaks WebDriver with chromedriver over HTTP, so that no package is needed for it. Says `skipped` where there is no Chromium.
With a folder as argument, leaves screenshots in it.
"""
import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1200,1400",
]
CELLS = [
    "let x = tensor::rand([4, 1, 8, 8]);\nprint(\"cells run\");\nx",
    "let seen = 0;\ntrain(data::digits(), #{ iterations: 100_000_000 }, |batch| {\n    seen += 1;\n    batch.x.mean()\n});",
    "print(`kept ${seen > 0} and ${x.shape}`);",
]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, check, seconds=60):
    until = time.time() + seconds
    while time.time() < until:
        try:
            found = check()
        except Exception:
            found = None
        if found:
            return found
        time.sleep(0.2)
    raise SystemExit(f"waited {seconds} s in vain for {what}")


class Browser:
    """A session of chromedriver."""

    def __init__(self, driver, browser, profile):
        port = free_port()
        self.process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.at = f"http://127.0.0.1:{port}"
        wait_for("chromedriver", lambda: self.ask("GET", "/status")["ready"])
        options = {"binary": browser, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self.at += "/session/" + self.ask("POST", "/session", wanted)["sessionId"]

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.at + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def run(self, script, *args):
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(args)})

    def shot(self, path):
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))

    def close(self):
        try:
            self.ask("DELETE", "")
        except OSError:
            pass
        self.process.terminate()
        self.process.wait()


def command(browser, name):
    """One of JupyterLab's own commands, as its menus and buttons call them."""
    browser.run(f"window.jupyterapp.commands.execute({name!r}); return true;")


def main():
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver_path = shutil.which("chromedriver")
    if not browser_path or not driver_path:
        print("skipped: there is no Chromium with chromedriver on the PATH")
        return
    shots = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        cell = lambda i, text: {"cell_type": "code", "id": f"c{i}", "source": text, "metadata": {}, "outputs": [], "execution_count": None}
        notebook = {
            "cells": [cell(i, text) for i, text in enumerate(CELLS)], "nbformat": 4, "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": "jemscript", "display_name": "jemscript", "language": "jemscript"}},
        }
        (folder / "work").mkdir()
        (folder / "work/test.ipynb").write_text(json.dumps(notebook))
        port = free_port()
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=",
             "--ServerApp.password=", f"--ServerApp.root_dir={folder / 'work'}", "--expose-app-in-browser",
             "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"],
            stdout=open(folder / "server.log", "w"), stderr=subprocess.STDOUT, cwd=folder,
        )
        browser = None
        try:
            here = f"http://127.0.0.1:{port}"
            plain = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            wait_for("JupyterLab", lambda: plain.open(f"{here}/api").status == 200)
            browser = Browser(driver_path, browser_path, folder / "profile")
            drive(browser, here, shots)
        except BaseException:
            print((folder / "server.log").read_text()[-4000:])
            if browser and shots:
                browser.shot(shots / "failed.png")
            raise
        finally:
            if browser:
                browser.close()
            server.terminate()
            server.wait()
    print("all well")


def drive(browser, here, shots):
    def shot(name):
        if shots:
            browser.shot(shots / f"{name}.png")

    outputs = "return [...document.querySelectorAll('.jp-OutputArea-output')].map(o => o.innerText).join('\\n');"
    prompt = lambda i: browser.run(
        "return document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')[arguments[0]].innerText;", i)
    browser.open(f"{here}/lab/tree/test.ipynb")
    ready = "const p = window.jupyterapp?.shell?.currentWidget; return p?.sessionContext?.session?.kernel?.status;"
    wait_for("the notebook's kernel", lambda: browser.run(ready) == "idle")
    name = "return window.jupyterapp.shell.currentWidget.sessionContext.kernelDisplayName;"
    assert browser.run(name) == "jemscript"

    command(browser, "notebook:run-all-cells")
    wait_for("the first cell", lambda: "cells run" in browser.run(outputs))
    picture = "const i = document.querySelector('.jp-OutputArea img'); return i && i.complete && i.naturalWidth;"
    assert wait_for("the picture", lambda: browser.run(picture)) > 16
    # The training's line moves in place: one progress bar, other numbers.
    bar = "const b = document.querySelectorAll('.jp-OutputArea progress'); return b.length == 1 && b[0].value;"
    first = wait_for("the progress", lambda: browser.run(bar))
    wait_for("more progress", lambda: browser.run(bar) > first)
    shot("training")

    command(browser, "notebook:interrupt-kernel")
    wait_for("the stop", lambda: "interrupted after" in browser.run(outputs))
    assert "[2]" in prompt(1), prompt(1)
    # The cell behind the stopped one did not run. Run it now: the variables are there.
    assert "kept" not in browser.run(outputs)
    browser.run("window.jupyterapp.shell.currentWidget.content.activeCellIndex = 2; return true;")
    command(browser, "notebook:run-cell")
    wait_for("the variables", lambda: "kept true and [4, 1, 8, 8]" in browser.run(outputs))
    assert browser.run(ready) == "idle"
    shot("stopped")


if __name__ == "__main__":
    main()
