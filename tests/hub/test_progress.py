import io
import sys

from keras_ssl.hub import progress as module
from keras_ssl.hub.progress import progress


def test_a_log_gets_a_line_at_the_start_the_end_and_now_and_then(capsys, monkeypatch):
    clock = iter([100.0, 101.0, 111.0, 112.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    update = progress("w.npz", 4_000)
    for position in (1_000, 2_000, 3_000, 4_000):
        update(position)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        f"Downloading w.npz: {position} of 4,000 bytes" for position in ("1,000", "3,000", "4,000")
    ]


def test_a_terminal_gets_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    update = progress("w.npz", 4_000)
    for position in (1_000, 500, 4_000):  # a download may start again
        update(position)
    output = capsys.readouterr()
    assert output.err == "" and output.out.startswith("Downloading w.npz\n") and "4000/4000" in output.out


def test_silence(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    progress("w.npz", 4, shown=False)(4)
    assert capsys.readouterr() == ("", "")


def test_streams_that_fail_are_no_fault_of_the_download(monkeypatch):
    class Gone(io.StringIO):
        terminal = False

        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

        def isatty(self):
            return self.terminal

    for stream, terminal in ((None, False), (Gone(), False), (Gone(), True)):
        Gone.terminal = terminal
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            patch.setattr(sys, "stderr", stream)
            update = progress("w.npz", 4)
            update(2)
            update(4)
