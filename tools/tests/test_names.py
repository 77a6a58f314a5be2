# SPDX-License-Identifier: GPL-2.0-or-later
"""What users can rely on by name is there and described; names and dissectors that they choose themselves are obeyed."""
import re

import programs
import pytest

LOGIN = "revision-00/login"


def test_names():
    has = {f"field {row[2]} {row[3]}" for row in programs.our_fields()}
    has |= {f"preference {name}" for (line, *_) in programs.glossary("currentprefs")
            for name in re.findall(r"^#?(maf\.[a-z_]+):", line)}
    has |= {f"table {row[0]} {row[2]}" for row in programs.glossary("dissector-tables") if row[0].startswith("maf.")}
    lines = (programs.EXPECTED / "names.txt").read_text(encoding="utf-8").splitlines()
    wanted = {line for line in lines if line and not line.startswith("#")}
    assert len(wanted) > 50
    assert wanted - has == set()


def test_fields_are_described():
    """And not by their names again."""
    fields = programs.our_fields()
    assert len(fields) > 50
    assert [row[2] for row in fields if row[7].lower() in ("", row[1].lower())] == []


def of_login(field, *options):
    """What tshark prints of each MAF message of a login."""
    return programs.of_capture(LOGIN, "-n", *options, "-Y", "maf", "-T", "fields", "-e", field)


@pytest.mark.parametrize("field, row, said", (
    ("_ws.col.Info", '"0x00000001","House Keys",""', "Do: House Keys (5 "),
    ("maf.method.name", '"1","House Keys",""', "House Keys"),
    ("frame.protocols", '"1","House Keys","json"', "maf:json"),
    ("frame.protocols", '"1","House Keys",""', "maf:maf.test"),
    # This dissector knows nothing of MAF, and writes to data of its own that MAF's message would be taken for.
    ("frame.protocols", '"1","House Keys","gssapi"', "maf:gss-api"),
    ("_ws.col.Info", '"1","House Keys","maf.test"', "returned unchanged")))
def test_users_table(field, row, said):
    assert said in of_login(field, "-o", f"uat:maf_methods:{row}")


def test_users_table_in_the_profile(readable):
    (readable / "maf_methods").write_text('"00000001","House Keys","json"\n')
    shown = programs.tshark("-n", "-r", programs.CAPTURES[LOGIN].path, "-Y", "maf", "-T", "fields", "-e", "_ws.col.Info",
                            config=readable)
    assert "Process: House Keys (5 " in shown


@pytest.mark.parametrize("row, why", (
    ('"1FFFFFFFF","Too long",""', "expected a hexadecimal number up to FFFFFFFF, or a UUID"),
    ('"one","Not a number",""', '"one" is not the id of a sub-method'),
    ('"2770736f-c710-45e9-8ae4","Half a UUID",""', "is not the id of a sub-method"),
    ('"1","",""', "Sub-method 1 has no name")))
def test_users_table_refused(row, why):
    done = programs.run(programs.TSHARK, "-r", programs.CAPTURES[LOGIN].path, "-o", f"uat:maf_methods:{row}", check=False)
    assert done.returncode and why in done.stderr


@pytest.mark.parametrize("field, options, said", (
    ("frame.protocols", ("-d", "maf.method==1,data"), "maf:data"),
    ("frame.protocols", ("-d", "maf.method==1,data", "-o", 'uat:maf_methods:"1","House Keys","json"'), "maf:data"),
    ("maf.data.text", ("-d", "maf.method==1,maf.sasl.plain"), "hello")))
def test_decode_as(field, options, said):
    """It takes precedence over the plugin's own choice and over the user's table."""
    assert said in of_login(field, *options)
