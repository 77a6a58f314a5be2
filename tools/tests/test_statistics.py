# SPDX-License-Identifier: GPL-2.0-or-later
"""What tshark -z maf,... prints of sample captures, without times and without what depends on them."""
import re

import programs

ALL = ("sasl/composite-3", "sasl/failed-then-another", "sasl/composite-rev01", "revision-00/more-absolute",
       "revision-00/nothing-acceptable", "violations/00/truncated")
TABLE = ("revision-01/after-revision-00", "sasl/plain-wrong", "violations/00/duplicate_offer", "violations/00/sequence-request",
         "revision-00/login-100k")
WANTED = ([(name, f"maf,{what}") for name in ALL for what in ("tree", "srt", "sessions")] +
          [(name, "maf,sessions") for name in TABLE] +
          [("sasl/composite-3", f"maf,{what},maf.round == 2") for what in ("tree", "srt", "sessions")] +
          [("no-maf/http", "maf,sessions")])


def sorted_siblings(lines):
    """Wireshark leaves the order of siblings with equal counts to chance."""
    path, keyed = {}, []
    for line in lines:
        depth = len(line) - len(line.lstrip())
        path = {other: above for other, above in path.items() if other < depth} | {depth: line}
        keyed.append(([path[other] for other in sorted(path)], line))
    return [line for _, line in sorted(keyed)]


def statistics(name, what):
    lines = programs.tshark("-q", "-n", "-r", programs.CAPTURES[name].path, "-z", what).splitlines()
    lines = [line for line in lines if not re.fullmatch("=*|-*", line) and not line.startswith("Filter")]
    if what.startswith("maf,tree"):
        counted = (re.match(r"( *\S.*?\S) {2,}([0-9]+) {2,}[0-9 ]", line) for line in lines)
        lines = sorted_siblings([f"{count[1]}: {count[2]}" for count in counted if count])
    else:
        lines = [re.sub(r"( +[0-9]+\.[0-9]{6}){4}$", " <times>",
                        re.sub(r"\|[0-9]+\.[0-9]{9} ", "|<time> ",
                               re.sub(r"\|[0-9]{4}-[0-9-]+ [0-9:.]+", "|<start>", line))) for line in lines]
    return f"\n{name} -z {what}\n" + "".join(f"{line}\n" for line in lines)


def test_statistics(same_as_expected):
    same_as_expected("statistics", "".join(statistics(*wanted) for wanted in WANTED))


def test_one_table_of_sessions():
    done = programs.run(programs.TSHARK, "-q", "-r", programs.CAPTURES["sasl/composite-3"].path, "-z", "maf,sessions", "-z",
                        "maf,sessions,maf.round == 2", check=False)
    assert done.returncode
    assert "-z maf,sessions,maf.round == 2: only one -z maf,sessions can be given" in done.stderr
