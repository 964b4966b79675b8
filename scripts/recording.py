"""Records a session of the program as an animated SVG, without JavaScript.

    python3 scripts/recording.py PROGRAM OUT

The session below is typed into the program's REPL over a pseudo-terminal; what is drawn is the screen as a terminal would show it.
"""

import argparse
import fcntl
import html
import os
import pty
import select
import struct
import termios
import time
from pathlib import Path

import pyte

COLUMNS, ROWS = 104, 23
SESSION = [
    'let digits = data::digits();',
    'let net = nn::sequential([nn::flatten(), nn::mlp([64, 128, 10], #{ activation: "silu" })]);',
    'let model = energy::joint(net);   // a classifier is an energy',
    'let sgld = sampler::sgld(#{ steps: 20, step_size: 0.1, noise: 0.1, clamp: [-1, 1] });',
    'let chains = sampler::replay(digits.shape, #{ size: 1_000, restart: 0.02 });',
    'let opt = optim::adam(model, #{ lr: 1e-3 });',
    'train(digits, #{ iterations: 300, batch_size: 64 }, |batch| {\n'
    '    let fake = chains.sample(sgld, model, batch.x.len());\n'
    '    let loss = loss::jem(model, batch.x, batch.y, fake);\n'
    '    opt.step(loss);\n'
    '    loss\n'
    '});',
    'evaluate::accuracy(model, digits.test)',
    'model.energy(digits.test.x).mean()',
    'model.energy(tensor::uniform([100, 1, 8, 8], -1, 1)).mean()   // noise: less likely',
]

KEYS = 5  # typed at a time
KEY = 0.06  # seconds between
PAUSE = 0.7  # after an entry, to read what came
SHOWN = 0.15  # changes that come faster than this make one frame
WAIT = 0.6  # the longest time without a change
END = 6.0  # how long the last screen stays

COLOURS = {"red": "r", "green": "g", "brown": "y", "yellow": "y", "blue": "b", "magenta": "m", "cyan": "c",
           "brightblack": "d", "black": "d"}
STYLE = """text { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
  font-size: 14px; fill: #e6e9ef; white-space: pre; }
.r { fill: #ff8a80; } .g { fill: #8fd694; } .y { fill: #f2cc60; } .b { fill: #82b1ff; } .m { fill: #d7a6ff; } .c { fill: #7fdbe6; }
.d { fill: #9aa4b2; } .h { font-weight: bold; } .u { text-decoration: underline; }"""


class Terminal:
    """The program on a pseudo-terminal, and the screen that it writes."""

    def __init__(self, command: list[str]):
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        # What the program asks its terminal, such as where the cursor is, is answered.
        self.screen.write_process_input = lambda answer: os.write(self.file, answer.encode())
        self.child, self.file = pty.fork()
        size = struct.pack("HHHH", ROWS, COLUMNS, 0, 0)
        if self.child == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
            os.execvpe(command[0], command, environment)
        self.start = time.monotonic()
        self.frames: list[tuple[float, tuple]] = []

    def watch(self, seconds: float, until=None) -> bool:
        """Takes in output for so long, or until the screen is as wished."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.file], [], [], min(left, 0.02))[0]:
                try:
                    self.stream.feed(os.read(self.file, 65536))
                except OSError:
                    return False
            self.keep()
            if until and until():
                return True
        return not until

    def keep(self) -> None:
        rows = tuple(self.row(y) for y in range(ROWS))
        now = time.monotonic() - self.start
        if self.frames and rows == self.frames[-1][1]:
            return
        if self.frames and now - self.frames[-1][0] < SHOWN:
            now = self.frames.pop()[0]
        self.frames.append((now, rows))

    def row(self, y: int) -> tuple:
        """Stretches of one style: (column, text, classes)."""
        parts = []
        for x in range(COLUMNS):
            cell = self.screen.buffer[y][x]
            classes = " ".join(filter(None, [COLOURS.get(cell.fg.removeprefix("bright")), "h" * cell.bold, "u" * cell.underscore]))
            if cell.fg == "brightblack":
                classes = "d"
            if parts and parts[-1][2] == classes:
                parts[-1][1] += cell.data
            else:
                parts.append([x, cell.data, classes])
        return tuple((x, text.rstrip(), classes) for x, text, classes in parts if text.strip())

    def type(self, text: str) -> None:
        for number, line in enumerate(text.split("\n")):
            if number > 0:
                os.write(self.file, b"\r")
                self.watch(5 * KEY)
            for at in range(0, len(line), KEYS):
                os.write(self.file, line[at:at + KEYS].encode())
                self.watch(KEY)


def prompt(terminal: Terminal) -> bool:
    """Whether the program waits for the next entry: only a prompt is on the cursor's line."""
    line = terminal.screen.display[terminal.screen.cursor.y].strip() or "-"
    return line[:-1].isdigit() and line[-1] == ">"


def record(program: str) -> list[tuple[float, tuple]]:
    terminal = Terminal([program, "repl"])
    if not terminal.watch(30, lambda: prompt(terminal)):
        raise SystemExit("the program shows no prompt:\n" + "\n".join(terminal.screen.display))
    for entry in SESSION:
        terminal.type(entry)
        terminal.watch(0.3)
        os.write(terminal.file, b"\r")
        terminal.watch(0.3)
        if not terminal.watch(60, lambda: prompt(terminal)):
            raise SystemExit(f"no prompt after {entry}:\n" + "\n".join(terminal.screen.display))
        terminal.watch(PAUSE)
    frames = shortened(terminal.frames)
    os.write(terminal.file, b"\x04")
    os.close(terminal.file)
    os.waitpid(terminal.child, 0)
    return frames


def shortened(frames: list[tuple[float, tuple]]) -> list[tuple[float, tuple]]:
    """Nothing changes for longer than a reader needs: longer waits of a busy machine are cut."""
    made, at = [], 0.0
    for (before, _), (now, screen) in zip([frames[0], *frames], frames):
        at += min(now - before, WAIT)
        made.append((at, screen))
    return made


def drawn(frames: list[tuple[float, tuple]]) -> str:
    """All frames one below the other, behind a window of one frame's height that jumps from one to the next."""
    width, line, edge = 8.43, 19, 14
    high, wide = ROWS * line + 2 * edge, round(COLUMNS * width + 2 * edge)
    first = frames[0][0]
    total = frames[-1][0] - first + END
    rows: dict[tuple, str] = {}
    body, keys = [], []
    for number, (at, screen) in enumerate(frames):
        keys.append(f"{100 * (at - first) / total:.3f}% {{ transform: translateY({-number * high}px) }}")
        for y, row in enumerate(screen):
            if row:
                name = rows.setdefault(row, f"r{len(rows)}")
                body.append(f'<use href="#{name}" y="{number * high + edge + y * line}"/>')
    defined = []
    for row, name in rows.items():
        # Each stretch has its length given, so that a font that is wider or narrower changes no column.
        spans = "".join(
            f'<tspan x="{edge + x * width:.1f}" textLength="{len(text) * width:.1f}" lengthAdjust="spacingAndGlyphs"'
            + (f' class="{classes}"' if classes else "") + f">{html.escape(text, quote=False)}</tspan>"
            for x, text, classes in row)
        defined.append(f'<text id="{name}" y="14" xml:space="preserve">{spans}</text>')
    still = f"@media (prefers-reduced-motion: reduce) {{ .s {{ animation: none; transform: translateY({-(len(frames) - 1) * high}px) }} }}"
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" role="img" aria-label="A session of jemscript">
<style>{STYLE}
.s {{ animation: k {total:.2f}s steps(1, end) infinite; }}
@keyframes k {{ {' '.join(keys)} 100% {{ transform: translateY({-(len(frames) - 1) * high}px) }} }}
{still}</style>
<defs>{''.join(defined)}</defs>
<rect width="100%" height="100%" rx="8" fill="#1b1f27" stroke="#4a5260"/>
<svg width="{wide}" height="{high}"><g class="s">{''.join(body)}</g></svg>
</svg>
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program")
    options.add_argument("out", type=Path)
    given = options.parse_args()
    given.out.write_text(drawn(record(given.program)))
    print(f"{given.out}: {given.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
