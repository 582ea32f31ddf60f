#!/usr/bin/env python3
"""The shell as a person meets it: keys go in at a terminal, and the screen is compared."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import traceback

from terminal import Terminal

TDB = pathlib.Path(os.environ["BUILD"]).resolve() / "tdb"
UP, DOWN, RIGHT, LEFT, HOME = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H"
TESTS = []


class Server:
    """A server on a unix socket in `home`; its URL, until the block ends."""

    def __init__(self, home):
        self.home = home

    def __enter__(self):
        self.process = subprocess.Popen(
            [TDB, "serve", "--host", "", "--socket-directory", self.home], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "TDB_ADMIN_PASSWORD": "secret"})
        assert "serves" in self.process.stdout.readline()
        return f"postgresql://admin:secret@/tdb?host={self.home}&port=7432"

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.process.stdout.close()


def test(function):
    TESTS.append(function)
    return function


class Shell(Terminal):
    """A shell with a home of its own that has come to its first prompt."""

    def __init__(self, home, *arguments, rows=24, columns=80, **environment):
        environment = {"HOME": home, "TERM": "xterm", "NO_COLOR": "1", "LC_ALL": "C.UTF-8", **environment}
        os.chdir(home)
        super().__init__([str(TDB), *arguments], environment, rows, columns)
        self.wait(r"^tdb> $")

    def quit(self):
        self.send("\\q\r")
        return self.end()


@test
def a_statement_of_two_lines_runs_at_its_semicolon(home):
    shell = Shell(home)
    shell.type("SELECT 40 +\r", r"^\.\.\.> $")
    shell.type("2 AS answer;\r", r"^│ +42 │$")
    shell.wait(r"\(1 row\)\ntdb> $")
    assert shell.quit() == 0


@test
def an_earlier_line_of_a_statement_can_be_changed(home):
    shell = Shell(home)
    shell.type("SELECT 1\rAS x;", r"^\.\.\.> AS x;$")
    shell.send(UP + "\x057")  # Up, to the end of the line, one more digit.
    shell.type("\r", r"^│ +17 │$")
    assert shell.quit() == 0


@test
def history_brings_back_whole_statements_also_the_next_time(home):
    shell = Shell(home)
    shell.type("SELECT 'a b\\c' AS\rfirst;\r", r"\(1 row\)\ntdb> $")
    shell.type("SELECT 2 AS second;\r", r"second(.|\n)*\(1 row\)\ntdb> $")
    assert shell.quit() == 0
    shell = Shell(home)
    shell.type(UP + UP + UP, r"tdb> SELECT 'a b\\c' AS\n\.\.\.> first;$")
    shell.type("\r", r"│ a b\\c │")
    assert shell.quit() == 0


@test
def ctrl_r_finds_what_was_typed(home):
    shell = Shell(home)
    shell.type("SELECT 1 AS one;\r", r"\(1 row\)\ntdb> $")
    shell.type("SELECT 2 AS two;\r", r"two(.|\n)*\(1 row\)\ntdb> $")
    shell.type("\x12one", r'search "one": SELECT 1 AS one;')
    shell.type("\r", r"one(.|\n)*one(.|\n)*\(1 row\)\ntdb> $")
    assert shell.quit() == 0


@test
def the_history_of_earlier_versions_is_read_and_kept_from_others(home):
    path = pathlib.Path(home) / ".tdb_history"
    path.write_text("_HiStOrY_V2_\nSELECT\\0407\\040AS\\040seven;\n")
    shell = Shell(home)
    shell.type(UP, r"tdb> SELECT 7 AS seven;$")
    shell.type("\r", r"│ +7 │")
    assert shell.quit() == 0
    assert path.stat().st_mode & 0o077 == 0


@test
def tab_completes_key_words_tables_columns_and_functions(home):
    shell = Shell(home)
    shell.type("CREATE TABLE flights (departure int, carrier text);\r", r"^CREATE TABLE$")
    shell.type("SEL\t", r"^tdb> SELECT $")
    shell.type("regexp_spl\t", r"SELECT regexp_split_to_$")
    shell.type("\t\t", r"regexp_split_to_array\( +regexp_split_to_table\(")
    shell.type("\x15select dep\t\x1b[D\x1b[C", r"^tdb> select dep$")  # No table is named yet.
    shell.type("\x15select  from fli\t", r"^tdb> select  from flights $")
    shell.type("\x01" + RIGHT * 7 + "dep\t", r"^tdb> select departure  from flights $")
    shell.type("\x15\x0bselect f.  from flights f\x01" + RIGHT * 9 + "ca\t", r"select f\.carrier +from flights f$")
    shell.send("\x03")
    assert shell.quit() == 0


@test
def tab_completes_files_and_commands(home):
    (pathlib.Path(home) / "data").mkdir()
    (pathlib.Path(home) / "data" / "numbers.csv").write_text("n\n1\n2\n")
    shell = Shell(home)
    shell.type("FROM 'da\t", r"^tdb> FROM 'data/$")
    shell.type("num\t", r"^tdb> FROM 'data/numbers.csv' $")
    shell.type("SELECT sum(n);\r", r"│ +3 │")
    shell.type("\\timi\t", r"^tdb> \\timing $")
    shell.type("\r", r"Timing is on")
    shell.type(".mode mark\t", r"^tdb> .mode markdown $")
    shell.type("\r", r"tdb> $")
    assert shell.quit() == 0


@test
def words_are_coloured_unless_told_not_to(home):
    shell = Shell(home, NO_COLOR="")
    shell.type("SELECT 'text', 12; -- why\r", r"\(1 row\)\ntdb> $")
    assert {"0;1;34", "0;32", "0;36", "0;90"} <= shell.screen.colours, shell.screen.colours
    assert shell.quit() == 0
    shell = Shell(home)
    shell.type("SELECT 'text', 12; -- why\r", r"\(1 row\)\ntdb> $")
    assert not shell.screen.colours
    assert shell.quit() == 0


@test
def long_lines_wrap_and_wide_characters_take_two_columns(home):
    shell = Shell(home, columns=20)
    shell.type("SELECT '日本語日本語日本語" + "x" * 30, "x{8}\nx{20}\nxx$")
    assert shell.screen.text().endswith("tdb> SELECT '日本語\n日本語日本語" + "x" * 8 + "\n" + "x" * 20 + "\nxx")
    shell.type(LEFT * 3 + "y", r"x{19}\nyxxx$|x{19}y\nxxx$")
    shell.type("\x05\x15", r"^tdb> $")
    assert shell.quit() == 0


@test
def a_text_higher_than_the_screen_scrolls(home):
    shell = Shell(home, rows=6)
    shell.send("SELECT 0\r" + "".join(f"+ {n}\r" for n in range(1, 30)))
    shell.wait(r"\+ 29\n\.\.\.> $")
    shell.type(UP * 30 + "\x05 + 100", r"SELECT 0 \+ 100$")
    shell.type("\x1b[F" + DOWN * 30 + ";\r", r"│ +535 │")
    assert shell.quit() == 0


@test
def a_pasted_text_waits_for_enter(home):
    shell = Shell(home)
    shell.type("\x1b[200~SELECT 1 AS a;\rSELECT 2\r AS b;\x1b[201~", r"SELECT 2\n\.\.\.>  AS b;$")
    assert "1 row" not in shell.screen.text()
    shell.type("\r", r"│ +1 │(.|\n)*│ +2 │(.|\n)*tdb> $")
    assert shell.quit() == 0


@test
def ctrl_c_takes_back_what_is_typed_and_cancels_what_runs(home):
    shell = Shell(home)
    shell.type("SELECT nonsense\r", r"^\.\.\.> $")
    shell.type("\x03", r"\ntdb> $")
    shell.send("SELECT count(*) FROM generate_series(1, 100000000000);\r")
    shell.wait(r"\d\.\d s, Ctrl-C cancels")  # After two seconds there is a line that tells so.
    shell.type("\x03", r"canceling statement")
    shell.type("SELECT 6 * 7 AS after;\r", r"│ +42 │")
    assert "nonsense\n...> \ntdb>" in shell.screen.text()
    assert "cancels" not in shell.screen.text(), "the line is taken away"
    assert shell.quit() == 0


@test
def watch_runs_until_ctrl_c(home):
    shell = Shell(home)
    shell.type("CREATE SEQUENCE s;\r", r"^CREATE SEQUENCE$")
    shell.type("SELECT nextval('s') AS tick \\watch 0.1\r", r"│ +3 │")
    shell.type("\x03", r"\ntdb> $")
    shell.type("SELECT 'still here' AS x;\r", r"│ still here │")
    assert shell.quit() == 0


@test
def results_sent_elsewhere_leave_the_prompt(home):
    shell = Shell(home)
    shell.type("\\o out.txt\r", r"out.txt\ntdb> $")
    shell.type("SELECT 12345 AS hidden;\r", r"hidden;\ntdb> $")
    shell.type("\\o\r", r"\\o\ntdb> $")
    assert "12345" in (pathlib.Path(home) / "out.txt").read_text()
    shell.type("SELECT 5 * 5 AS shown;\r", r"│ +25 │")
    assert shell.quit() == 0


@test
def an_editor_changes_the_statement(home):
    editor = pathlib.Path(home) / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/1/99/' \"$1\"\n")
    editor.chmod(0o755)
    shell = Shell(home, EDITOR=str(editor), VISUAL=str(editor))
    shell.type("SELECT 1 AS x;\r", r"\(1 row\)\ntdb> $")
    shell.type("\\e\r", r"│ +99 │")
    assert shell.quit() == 0


@test
def bare_words_of_newcomers_are_understood(home):
    shell = Shell(home)
    shell.type("help\r", r"Tab completes words")
    shell.send("exit\r")
    assert shell.end() == 0


def child_of(process):
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        fields = status.read_text().rpartition(")")[2].split()
        if int(fields[1]) == process:
            return int(status.parent.name)
    raise AssertionError("no child")


@test
def the_terminal_is_left_as_it_was_found(home):
    before = None
    for signal_number in (None, signal.SIGTERM, signal.SIGHUP):
        terminal = Terminal(["sh", "-c", "stty -a | sed s/^/before:/; " + str(TDB) + "; stty -a | sed s/^/after:/"],
                            {"HOME": home, "TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}, 24, 200)
        terminal.wait(r"^tdb> $")
        if signal_number is None:
            terminal.send("\\q\r")
        else:
            os.kill(child_of(terminal.process), signal_number)
        terminal.end()
        lines = terminal.screen.text().replace("\r", "").split("\n")
        before = [line[7:] for line in lines if line.startswith("before:")]
        after = [line[line.index("after:") + 6:] for line in lines if "after:" in line]
        assert before and before == after, f"{signal_number}: {before} {after}"


@test
def the_prompt_tells_of_a_transaction_and_ctrl_d_ends(home):
    shell = Shell(home)
    shell.type("BEGIN;\r", r"^tdb\*> $")
    shell.type("COPY (SELECT 1) TO STDOUT; ROLLBACK;\r", r"^1\nROLLBACK\ntdb> $")
    shell.send("\x04")
    assert shell.end() == 0


@test
def a_terminal_that_cannot_be_drawn_on_gets_plain_lines(home):
    shell = Shell(home, TERM="dumb")
    shell.type("SELECT 2 + 2 AS four;\r", r"│ +4 │")
    assert shell.quit() == 0


@test
def a_server_is_used_like_a_database(home):
    with Server(home) as url:
        shell = Shell(home, url)
        shell.type("\\conninfo\r", r'Database "tdb" as user "admin"(.|\n)*tdb> $')
        shell.type("CREATE TABLE flights (departure int PRIMARY KEY);\r", r"^CREATE TABLE$")
        shell.type("INSERT INTO fli\t", r"INSERT INTO flights $")
        shell.type("VALUES (1), (2) RETURNING departure;\r", r"\(2 rows\)")
        shell.type("\\d flights\r", r'"flights_pkey" PRIMARY KEY, btree \(departure\)')
        shell.type("BEGIN;\r", r"^tdb\*> $")
        shell.type("SELECT 1 / 0;\r", r"^ERROR:  division by zero$")
        shell.type("ROLLBACK;\r", r"^ROLLBACK\ntdb> $")
        shell.type("COPY flights FROM STDIN;\r", r"STDIN;\n\.\.\.> $")
        shell.type("3\r\\.\r", r"^COPY 1\ntdb> $")
        shell.send("SELECT count(*) FROM generate_series(1, 100000000000);\r")
        shell.wait(r"\d\.\d s, Ctrl-C cancels")
        shell.type("\x03", r"canceling statement")
        shell.type("SELECT sum(departure) FROM flights;\r", r"│ +6 │")
        assert shell.quit() == 0


@test
def copy_reads_and_writes_files_of_this_machine(home):
    (pathlib.Path(home) / "in.csv").write_text("1,one\n2,two\n")
    with Server(home) as url:
        for target, name in (("local.tdb", "local"), (url, "remote")):
            done = subprocess.run([TDB, target], text=True, capture_output=True, cwd=home, input=f"""
                CREATE TABLE t (a int, b text);
                \\copy t from in.csv with (format csv)
                \\copy (select b, a from t order by a) to '{name}.txt'
                \\copy t from missing.csv
                SELECT 'never';""")
            assert "COPY 2" in done.stdout and "never" not in done.stdout, done
            assert done.returncode == 1 and "missing.csv" in done.stderr and "No such file" in done.stderr, done
            assert (pathlib.Path(home) / f"{name}.txt").read_text() == "one\t1\ntwo\t2\n"


@test
def another_database_is_opened_and_a_failure_keeps_the_old_one(home):
    subprocess.run([TDB, "b.tdb", "-c", "CREATE TABLE of_b (a int)"], cwd=home, check=True, capture_output=True)
    done = subprocess.run([TDB, "a.tdb", "--keep-going", "-c", "CREATE TABLE of_a (a int)", "-c", "\\c missing/b.tdb", "-c", "\\dt",
                           "-c", "\\c b.tdb", "-c", "\\dt", "-c", "\\conninfo"], cwd=home, capture_output=True, text=True)
    assert re.search(r"of_a(.|\n)*of_b(.|\n)*\"b.tdb\"", done.stdout), done
    assert done.returncode == 1 and "No such file" in done.stderr


@test
def many_rows_are_counted_and_not_all_shown_at_a_terminal(home):
    shell = Shell(home)
    shell.type("SELECT * FROM generate_series(1, 50000) n;\r", r"\(50000 rows, the first 1000 are shown; \.maxrows 0 shows all\)")
    assert re.search(r"│ +1000 │", shell.screen.text()) and "1001" not in shell.screen.text()
    shell.type(".maxrows 2\r", r"maxrows 2\ntdb> $")
    shell.type("SELECT * FROM generate_series(1, 3) n;\r", r"\(3 rows, the first 2")
    assert shell.quit() == 0


@test
def a_server_that_is_not_there_or_refuses_is_an_error(home):
    gone = subprocess.run([TDB, "postgresql://admin@127.0.0.1:1/tdb", "-c", "SELECT 1"], capture_output=True, text=True)
    assert gone.returncode == 1 and "refused" in gone.stderr, gone
    with Server(home) as url:
        wrong = subprocess.run([TDB, url.replace("secret", "wrong"), "-c", "SELECT 1"], capture_output=True, text=True)
        assert wrong.returncode == 1 and "password authentication failed" in wrong.stderr, wrong


@test
def a_password_is_asked_for_and_not_shown(home):
    with Server(home) as url:
        terminal = Terminal([str(TDB), url.replace(":secret", "")], {"HOME": home, "TERM": "xterm", "NO_COLOR": "1"})
        terminal.wait(r"^Password: $")
        terminal.type("secret\r", r"^tdb> $")
        assert "secret" not in terminal.screen.text()
        terminal.send("\x04")
        assert terminal.end() == 0


@test
def the_tour_waits_for_keys_at_a_terminal(home):
    os.chdir(home)
    terminal = Terminal([str(TDB), "demo"], {"HOME": home, "TERM": "xterm", "LC_ALL": "C.UTF-8"}, 30, 120)
    terminal.wait(r"\[any key: go on; q: end\] $")
    assert "1 of 9" not in terminal.screen.text()
    terminal.type(" ", r"1 of 9(.|\n)*\[any key: go on; q: end\] $")
    terminal.type("q", r"Go on ──")
    assert "2 of 9" not in terminal.screen.text() and "1;35" in terminal.screen.colours
    assert terminal.end() == 0


@test
def the_tour_goes_through_where_nobody_is(home):
    found = subprocess.run([TDB, "demo", "tour.tdb"], capture_output=True, text=True, cwd=home, stdin=subprocess.DEVNULL)
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr
    assert "9 of 9" in found.stdout and "\x1b" not in found.stdout
    assert found.stderr == "ERROR:  could not serialize access due to concurrent update\n", found.stderr
    again = subprocess.run([TDB, "demo", "tour.tdb"], capture_output=True, text=True, cwd=home, stdin=subprocess.DEVNULL)
    assert again.returncode == 0 and "loaded already" in again.stdout, again.stderr
    years = re.findall(r"│ (\d{4}) │ The Cat and the Canary", found.stdout)
    assert years == ["1927"], "what the handwritten year was read as"


@test
def the_tour_leaves_tables_of_others_alone(home):
    subprocess.run([TDB, "x.tdb", "-c", "CREATE TABLE films (id int)"], cwd=home, check=True, capture_output=True)
    refused = subprocess.run([TDB, "demo", "x.tdb"], capture_output=True, text=True, cwd=home, stdin=subprocess.DEVNULL)
    assert refused.returncode == 1 and "directory of its own" in refused.stderr


@test
def the_manual_names_every_option_and_command(home):
    manual = (pathlib.Path(__file__).parents[2] / "docs/man/tdb.1").read_text().replace("\\-", "-").replace("\\e", "\\")
    usage = subprocess.run([TDB, "--help"], capture_output=True, text=True, check=True).stdout
    commands = subprocess.run([TDB, "-c", "\\?"], capture_output=True, text=True, check=True).stdout
    words = set(re.findall(r"(?<!\w)--?[a-z][a-z-]*|^  tdb (\w+)", usage, re.M))
    words |= set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", usage))
    words |= set(re.findall(r"(?<!\S)[.\\](?:[a-zA-Z]+|[!?])", commands))
    missing = sorted(word for word in words if word and word not in manual)
    assert len(words) > 30 and not missing, f"not in tdb.1: {missing}"


def main():
    passed = failed = 0
    for function in TESTS:
        name = function.__name__.replace("_", " ")
        if len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:]):
            continue
        with tempfile.TemporaryDirectory() as home:
            try:
                function(home)
                print(f"ok {name}", flush=True)
                passed += 1
            except Exception:  # One failure must not hide the others.
                print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)
                failed += 1
            os.chdir("/")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
