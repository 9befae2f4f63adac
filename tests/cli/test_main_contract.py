"""Property: a mistake is one line and status 2, help needs no JAX, JSON is one strict document, Ctrl-C is 130."""

import subprocess
import sys

import pytest

from ntklora.cli import verify
from ntklora.cli.answer import Answer
from tests.cli.run import ROOT, command, main_here

MISTAKES = {
    "no command": ([], "missing subcommand"),
    "unknown command": (["verfy"], "verfy"),
    "unknown option": (["verify", "--jsn"], "--json"),
    "unknown profile": (["verify", "--profile", "smok"], "'smoke'"),
    "unknown claim": (["verify", "T99"], "unknown claim 'T99'"),
    "unknown figure": (["figures", "nothing"], "unknown figure 'nothing'"),
    "a word for a number": (["verify", "--jobs", "x"], "--jobs takes INT, not 'x'; help: ntklora --help"),
    "a near miss": (["verify", "--profil", "smoke"], "perhaps you meant --profile {smoke,default,full}"),
    "nothing said twice": (["certfy"], "ntklora: unrecognized options: certfy; Available subcommands: verify"),
    "no file": (["certify"], "Missing from ntklora certify: FILE.npz; help: ntklora certify --help"),
    "results where none can be": (["figures", "--out", "/proc/none"], "pass another --out"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_and_status_2(case, capsys):
    arguments, message = MISTAKES[case]
    done = main_here(capsys, *arguments)
    assert done.status == 2
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert done.err.startswith("ntklora: ")
    assert message in done.err


def test_help_and_version_import_neither_jax_nor_numpy():
    for arguments in (["--help"], ["--version"], ["verify", "--help"]):
        code = (
            "import sys; from ntklora.cli.main import main; status = main(sys.argv[1:]); "
            "sys.exit(status or 10 * any(name in sys.modules for name in ('jax', 'numpy', 'pyarrow', 'matplotlib')))"
        )
        done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_json_is_one_strict_document_whatever_is_printed_meanwhile(capsys, monkeypatch):
    def run(options):
        print("a library that prints")
        return Answer(0, {"gap": float("nan"), "ranks": (1, 2)}, lambda: None)

    monkeypatch.setattr(verify, "run", run)
    done = main_here(capsys, "verify", "--json")
    assert done.document["gap"] is None
    assert done.document["schema"] == 1
    assert done.document["version"]
    assert "a library that prints" in done.err


def test_ctrl_c_is_status_130_without_traceback(capsys, monkeypatch):
    def run(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(verify, "run", run)
    done = main_here(capsys, "verify")
    assert (done.status, done.out) == (130, "")
    assert "Traceback" not in done.err


def test_a_fault_of_the_program_is_not_a_verdict(capsys, monkeypatch):
    def run(options):
        raise ZeroDivisionError

    monkeypatch.setattr(verify, "run", run)
    done = main_here(capsys, "verify")
    assert done.status == 3
    assert "please report" in done.err


@pytest.mark.parametrize("arguments", [["sweep", "describe"], ["verify", "--help"]])
def test_a_reader_that_stops_reading_is_no_error(arguments):
    code = "import sys; from ntklora.cli.main import main; sys.exit(main(sys.argv[1:]))"
    running = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    running.stdout.close()
    assert (running.stderr.read(), running.wait(60)) == ("", 0)


def test_a_terminal_that_has_only_ascii_is_no_error():
    done = command("verify", "--list", "T2-zero", env={"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "ascii"})
    assert done.status == 0, done.err
    assert "\\u03bb = 0" in done.out


def test_doctor_in_a_process_of_its_own_sees_float64_and_leaves_no_trace(tmp_path):
    done = command("doctor", "--json", cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
    assert done.status == 0, done.err
    assert done.document["precision"]["x64"] is True
    assert all(check["ok"] for check in done.document["checks"])
    assert all(", 1 threads" in library for library in done.document["threads"]["blas"] if "openblas" in library)
    assert list(tmp_path.iterdir()) == []


def test_doctor_names_what_fails(capsys):
    done = main_here(capsys, "doctor", "--out", "/proc/none")
    assert done.status == 1
    assert "FAILED: results can be written" in done.out
